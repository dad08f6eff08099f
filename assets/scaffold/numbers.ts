// Numbers from text.

const INTEGER = /^-?(?:0|[1-9]\d*)$/;

/** A number. JavaScript rounds integers beyond 2 ** 53; these are rounded down, so that none leaves or enters the range of 64 bits. */
export function readNumber(text: string): number {
  const value = Number(text);
  if (Number.isSafeInteger(value) || text.length > 20 || !INTEGER.test(text) || BigInt(value) <= BigInt(text))
    return value;
  const bits = new DataView(new ArrayBuffer(8));
  bits.setFloat64(0, value);
  bits.setBigInt64(0, bits.getBigInt64(0) - BigInt(Math.sign(value)));
  return bits.getFloat64(0);
}
