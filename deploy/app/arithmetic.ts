// Sums over settings that may be CloudFormation parameters: CloudFormation cannot calculate, so it looks the results up.
import { Token } from 'aws-cdk-lib';
import type { Construct } from 'constructs';
import { lookUp } from '../lib/mapping.ts';
import { asText } from '../lib/metrics.ts';
import { DAYS, SHARES } from './settings.ts';

/** The seconds of 1 to 13 days. */
export function secondsOfDays(scope: Construct, days: number): number {
  return calculated(scope, 'SecondsOfDays', days, DAYS, (day) => day * 86400);
}

/** The seconds of four fifths of 1 to 13 days. */
export function mostOfDays(scope: Construct, days: number): number {
  return calculated(scope, 'MostOfDays', days, DAYS, (day) => day * 69120);
}

/** What a share in percent leaves of the whole. */
export function restOfShare(scope: Construct, share: number): number {
  return calculated(scope, 'RestOfShare', share, SHARES, (percent) => 100 - percent);
}

function calculated(scope: Construct, table: string, key: number, keys: number[], calculate: (key: number) => number): number {
  if (!Token.isUnresolved(key)) return calculate(key);
  const rows = Object.fromEntries(keys.map((row) => [row, calculate(row)]));
  return Token.asNumber(lookUp(scope, table, asText(key), rows));
}
