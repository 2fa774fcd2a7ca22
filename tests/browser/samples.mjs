// Files that people upload: components the platform must refuse, and a file of rows to score.

const encode = (text) => [...new TextEncoder().encode(text)];
const section = (id, bytes) => [id, bytes.length, ...bytes];

/** A component that does nothing but import these interfaces. Names must be short: lengths are one byte. */
export function componentImporting(names) {
  const preamble = [0x00, 0x61, 0x73, 0x6d, 0x0d, 0x00, 0x01, 0x00];
  // One empty instance type, and each import of that type.
  const types = section(7, [1, 0x42, 0]);
  const imports = names.map((name) => {
    const bytes = encode(name);
    return section(10, [1, 0x00, bytes.length, ...bytes, 0x05, 0]);
  });
  return Buffer.from([...preamble, ...types, ...imports.flat()]);
}

/** The smallest core module: WebAssembly, but no component. */
export const coreModule = () => Buffer.from([0x00, 0x61, 0x73, 0x6d, 0x01, 0x00, 0x00, 0x00]);

/** The same numbers on every run. */
function dice(seed) {
  let state = seed;
  return () => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return state / 2 ** 32;
  };
}

/**
 * A CSV of invented enterprises for the tax-loan model, with a `default` column that bad figures
 * make likelier, so that a working model tells the two kinds apart.
 */
export function enterprises(rows) {
  const next = dice(20_261_123);
  const whole = (from, to) => from + Math.floor(next() * (to - from + 1));
  const head = [
    "tax.paid_12m", "tax.sales_12m", "tax.sales_cv", "tax.grade", "tax.months_declared",
    "social.insured", "social.insured_change_12m", "social.months_in_arrears",
    "utility.power_change_12m", "utility.arrears_count",
    "judicial.enforcement_count", "judicial.dishonest_count", "judicial.penalty_count", "default",
  ];
  const lines = [head.join(",")];
  for (let i = 0; i < rows; i += 1) {
    const trouble = next();
    const some = (most) => (next() < trouble ? whole(0, most) : 0);
    const sales = whole(500_000, 40_000_000);
    const grades = trouble < 0.4 ? "AAB" : trouble < 0.7 ? "BBM" : "MCD";
    lines.push([
      Math.round(sales * (0.08 - 0.06 * trouble)), sales, (0.05 + 0.6 * trouble * next()).toFixed(4),
      grades[whole(0, 2)], 36 - some(18), whole(3, 120), (0.3 - 0.6 * trouble).toFixed(4), some(9),
      (0.25 - 0.5 * trouble).toFixed(4), some(4), some(3), some(1), some(3),
      next() < trouble ** 2 ? 1 : 0,
    ].join(","));
  }
  return Buffer.from(`${lines.join("\n")}\n`);
}
