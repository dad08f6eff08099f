// Checking values with zod, and its findings as fields and messages.
import * as z from 'zod';
import { badRequest, type FieldProblem } from './http-error.ts';

export type Checked = { readonly value: unknown; readonly problems: readonly FieldProblem[] };

const MESSAGES: z.core.$ZodErrorMap = (issue) =>
  issue.code === 'invalid_type' && issue.input === undefined ? 'is required' : undefined;

/** Checks a value; `name` gives the field that a path into the value is reported as. */
export function check(schema: z.core.$ZodType, value: unknown, name: (path: readonly string[]) => string): Checked {
  const result = parse(schema, value);
  if (result.success) return { value: result.data, problems: [] };
  const problems = new Map<string, FieldProblem>();
  for (const found of flatten(result.error.issues, [])) {
    const field = name(found.path);
    if (!problems.has(`${field}\0${found.message}`))
      problems.set(`${field}\0${found.message}`, { field, message: found.message });
  }
  return { value: undefined, problems: [...problems.values()] };
}

function parse(schema: z.core.$ZodType, value: unknown): z.core.util.SafeParseResult<unknown> {
  try {
    return z.safeParse(schema, value, { error: MESSAGES });
  } catch (thrown) {
    if (thrown instanceof RangeError) throw badRequest('the data is nested too deeply', thrown);
    throw thrown;
  }
}

interface Finding {
  readonly path: readonly string[];
  readonly message: string;
}

function flatten(issues: readonly z.core.$ZodIssue[], base: readonly string[]): Finding[] {
  return issues.flatMap((issue): Finding[] => {
    const path = [...base, ...issue.path.map(String)];
    if (issue.code === 'unrecognized_keys')
      return issue.keys.map((key) => ({ path: [...path, key], message: 'is not a known field' }));
    if (issue.code === 'invalid_union' && issue.errors.length > 0)
      return nearest(issue.errors.map((branch) => flatten(branch, path)));
    return [{ path, message: issue.message }];
  });
}

/** Of the branches of a union the one that got furthest: its findings lie deepest, and are fewest. */
function nearest(branches: readonly Finding[][]): Finding[] {
  const depth = (branch: readonly Finding[]): number => Math.min(...branch.map((finding) => finding.path.length));
  const [first = [], ...others] = [...branches].sort(
    (one, other) => depth(other) - depth(one) || one.length - other.length,
  );
  const [one, ...more] = others.filter((other) => depth(other) === depth(first) && other.length === first.length);
  if (one === undefined || first.length !== 1) return first;
  const messages = new Set([first, one, ...more].flatMap((branch) => branch.map((finding) => finding.message)));
  return [{ path: first[0]?.path ?? [], message: [...messages].join(', or ') }];
}
