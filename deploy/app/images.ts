// By what right ECS pulls the images.
import { Aws } from 'aws-cdk-lib';
import { PolicyStatement } from 'aws-cdk-lib/aws-iam';
import type { LongshoreService } from '../lib/index.ts';

/** Lets it pull from every repository of this account and region: images are named by settings that may be parameters. */
export function grantPull({ executionRole }: LongshoreService): void {
  const repositories = `arn:${Aws.PARTITION}:ecr:${Aws.REGION}:${Aws.ACCOUNT_ID}:repository/*`;
  executionRole.addToPolicy(new PolicyStatement({ actions: ['ecr:GetAuthorizationToken'], resources: ['*'] }));
  executionRole.addToPolicy(
    new PolicyStatement({ actions: ['ecr:BatchCheckLayerAvailability', 'ecr:BatchGetImage', 'ecr:GetDownloadUrlForLayer'], resources: [repositories] }),
  );
}
