// Log groups: encrypted where there is a key, kept for as long as they are told, and gone with the stack.
import { RemovalPolicy } from 'aws-cdk-lib';
import type { IKey } from 'aws-cdk-lib/aws-kms';
import { LogGroup, RetentionDays } from 'aws-cdk-lib/aws-logs';
import type { Construct } from 'constructs';

/** How a new group keeps its lines. */
export interface Keeping {
  readonly logRetention?: RetentionDays;
  readonly logKey?: IKey;
}

/** Makes one. */
export function addLogGroup(scope: Construct, id: string, logGroupName: string, { logRetention = RetentionDays.ONE_MONTH, logKey }: Keeping): LogGroup {
  return new LogGroup(scope, id, {
    logGroupName,
    retention: logRetention,
    removalPolicy: RemovalPolicy.DESTROY,
    ...(logKey === undefined ? {} : { encryptionKey: logKey }),
  });
}
