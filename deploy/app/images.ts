// By what right ECS pulls the images.
import { Aws, Token } from 'aws-cdk-lib';
import { PolicyStatement } from 'aws-cdk-lib/aws-iam';
import type { LongshoreService } from '../lib/index.ts';
import { detailsOf } from './details.ts';
import type { Settings } from './settings.ts';

const PULL = ['ecr:BatchCheckLayerAvailability', 'ecr:BatchGetImage', 'ecr:GetDownloadUrlForLayer'];
/** What a pull through a cache needs more when the image, or its repository, is not in it yet. */
const PULL_THROUGH = ['ecr:BatchImportUpstreamImage', 'ecr:CreateRepository'];
const IN_ECR = /^(\d{12})\.dkr\.ecr(?:-fips)?\.([a-z0-9-]+)\.(?:amazonaws\.com(?:\.cn)?|on\.aws)\/([^:@]+)/;

/** Lets it pull from the repositories of the images, of whatever account; another account's repository has to allow it as well. */
export function grantPull({ executionRole }: LongshoreService, settings: Settings): void {
  const { task, pullThrough } = detailsOf(settings);
  const images = [settings.IMAGE, settings.HANDLER_IMAGE, settings.COLLECTOR_IMAGE, task?.logRouter?.image].filter((image) => image !== undefined);
  const repositories = [...new Set(images.flatMap(repositoryOf))];
  if (repositories.length === 0) return;
  executionRole.addToPolicy(new PolicyStatement({ actions: ['ecr:GetAuthorizationToken'], resources: ['*'] }));
  executionRole.addToPolicy(new PolicyStatement({ actions: [...PULL, ...(pullThrough === true ? PULL_THROUGH : [])], resources: repositories }));
}

/** The repository of an image, every one of this account and region while its name is a parameter, none for another registry. */
function repositoryOf(image: string): string[] {
  if (Token.isUnresolved(image)) return [`arn:${Aws.PARTITION}:ecr:${Aws.REGION}:${Aws.ACCOUNT_ID}:repository/*`];
  const [, account, region, repository] = IN_ECR.exec(image) ?? [];
  return account === undefined ? [] : [`arn:${Aws.PARTITION}:ecr:${region}:${account}:repository/${repository}`];
}
