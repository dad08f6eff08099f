// Load test of @@title@@
//
//   k6 run @@variables@@@@file@@
//
// Written by api_load_tester --export k6; yours to change from here on.@@secrets@@
import { check } from 'k6';
import encoding from 'k6/encoding';
import http from 'k6/http';

// requests: how often each is chosen (weight) and what it is; headers in `secrets` take their values from the environment.
// rows: a file of JSON Lines; {{field}} in URL, headers and body is filled from one of them. expect_status null: everything below 400.
const plan = @@plan@@;
const rows = plan.rows && open(plan.rows).split('\n').filter((line) => line.trim()).map((line) => JSON.parse(line));

export const options = @@options@@;

http.setResponseCallback(http.expectedStatuses({ min: 200, max: 399 }, plan.expect_status || 200));

export default function () {
  const request = choose();
  const row = rows && rows[Math.floor(Math.random() * rows.length)];
  const fill = (text, encode) => (row ? text.replace(/\{\{\s*([^{}\s]+)\s*\}\}/g, (_, field) => encode(row[field])) : text);
  const headers = {};
  for (const [name, value] of Object.entries(request.headers)) headers[name] = fill(value, plain);
  for (const [name, variable] of Object.entries(request.secrets)) headers[name] = __ENV[variable];
  const body = request.base64 ? encoding.b64decode(request.base64) : request.body && fill(request.body, /^\s*[{[]/.test(request.body) ? insideJson : plain);
  const answer = http.request(request.method, fill(request.url, (value) => encodeURIComponent(plain(value))), body, {
    headers,
    timeout: `${plan.timeout_s}s`,
    redirects: plan.follow_redirects ? 10 : 0,
    tags: { name: request.name },
  });
  check(answer, { 'status as expected': ({ status }) => (plan.expect_status ? status === plan.expect_status : status > 0 && status < 400) });
}

function choose() {
  if (__ENV.TARGET !== undefined) return plan.requests[Number(__ENV.TARGET)];
  let left = Math.random() * plan.requests.reduce((sum, { weight }) => sum + weight, 0);
  return plan.requests.find(({ weight }) => (left -= weight) < 0) || plan.requests[plan.requests.length - 1];
}

function plain(value) {
  return typeof value === 'string' ? value : JSON.stringify(value);
}

function insideJson(value) {
  return typeof value === 'string' ? JSON.stringify(value).slice(1, -1) : JSON.stringify(value);
}
