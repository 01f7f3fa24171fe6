// Tables of the template, from which CloudFormation looks up what it cannot calculate and what would be there twice.
import { CfnMapping, Fn, Stack } from 'aws-cdk-lib';
import type { Construct } from 'constructs';

/** The value of a row of a table that has one column; a table, or a row, that is not there yet is added. */
export function lookUp(scope: Construct, table: string, key: string, rows: Readonly<Record<string, string | number>>): string {
  const stack = Stack.of(scope);
  const mapping = (stack.node.tryFindChild(table) as CfnMapping | undefined) ?? new CfnMapping(stack, table);
  for (const [row, value] of Object.entries(rows)) mapping.setValue(row, COLUMN, value);
  return Fn.findInMap(table, key, COLUMN);
}

const COLUMN = 'Is';
