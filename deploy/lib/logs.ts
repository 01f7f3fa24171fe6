// Log groups: encrypted, and kept for as long as the settings say.
import type { IKey } from 'aws-cdk-lib/aws-kms';
import { CfnLogGroup } from 'aws-cdk-lib/aws-logs';
import type { Construct } from 'constructs';
import type { Names } from './names.ts';
import type { Settings } from './settings.ts';

/** Makes log groups of one deployment. */
export class Logs {
  constructor(
    private readonly scope: Construct,
    private readonly settings: Settings,
    private readonly names: Names,
    private readonly key: IKey,
  ) {}

  /** The log group `/longshore/{project}-{stage}/{of}`, which goes with the stack. */
  add(id: string, of: string): CfnLogGroup {
    return new CfnLogGroup(this.scope, id, {
      logGroupName: this.names.within(`/longshore/{prefix}/${of}`),
      retentionInDays: this.settings.LOG_RETENTION,
      kmsKeyId: this.key.keyArn,
    });
  }
}
