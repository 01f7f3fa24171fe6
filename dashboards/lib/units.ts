// Units by Grafana's names, and how a value reads in them.

/** The units that panels have; a `locale` is a whole number with all its digits. */
export type Unit = 'short' | 'locale' | 's' | 'ms' | 'percentunit' | 'percent' | 'reqps' | 'mps' | 'currencyUSD' | 'bytes' | 'ops';

const TIMES: readonly (readonly [number, string])[] = [[86400, 'd'], [3600, 'h'], [60, 'min'], [1, 's'], [1e-3, 'ms'], [1e-6, 'µs']];
const THOUSANDS: readonly (readonly [number, string])[] = [[1e9, ' G'], [1e6, ' M'], [1e3, ' k'], [1, '']];
const BYTES: readonly (readonly [number, string])[] = [[2 ** 30, ' GiB'], [2 ** 20, ' MiB'], [2 ** 10, ' KiB'], [1, ' B']];

/** The value as a person reads it. */
export function readable(value: number, unit: Unit): string {
  switch (unit) {
    case 's':
      return value === 0 ? '0 s' : scaled(value, TIMES, ' ');
    case 'ms':
      return readable(value / 1000, 's');
    case 'percentunit':
      return `${rounded(value * 100)} %`;
    case 'percent':
      return `${rounded(value)} %`;
    case 'bytes':
      return scaled(value, BYTES);
    case 'currencyUSD':
      return `$${rounded(value)}`;
    case 'mps':
      return `${scaled(value, THOUSANDS)} msg/s`;
    case 'reqps':
      return `${scaled(value, THOUSANDS)} req/s`;
    case 'ops':
      return `${scaled(value, THOUSANDS)}/s`;
    case 'locale':
      return Math.round(value).toLocaleString('en-US');
    case 'short':
      return scaled(value, THOUSANDS);
  }
}

function scaled(value: number, steps: readonly (readonly [number, string])[], space = ''): string {
  const [size, name] = steps.find(([step]) => Math.abs(value) >= step) ?? steps.at(-1) ?? [1, ''];
  return `${rounded(value / size)}${space}${name}`;
}

function rounded(value: number): string {
  return String(Number(value.toPrecision(3)));
}
