// What the details say of a container, as the construct takes it.
import { Duration, type Stack } from 'aws-cdk-lib';
import { SecurityGroup } from 'aws-cdk-lib/aws-ec2';
import { Secret, type UlimitName } from 'aws-cdk-lib/aws-ecs';
import { AccessPoint, FileSystem } from 'aws-cdk-lib/aws-efs';
import { Grant, type IGrantable } from 'aws-cdk-lib/aws-iam';
import type { ContainerOptions, FileSystemMount } from '../lib/index.ts';
import type { ContainerDetails } from './details.ts';

/** The options; `id` keeps those of two containers apart. */
export function containerOf(stack: Stack, id: string, details: ContainerDetails = {}): ContainerOptions {
  const { environment, secrets, command, user, healthCheck, ulimits, fileSystems } = details;
  return {
    ...(environment === undefined ? {} : { environment }),
    ...(secrets === undefined ? {} : { secrets: Object.fromEntries(Object.entries(secrets).map(([name, arn]) => [name, new SecretByArn(arn)])) }),
    ...(command === undefined ? {} : { command: [...command] }),
    ...(user === undefined ? {} : { user }),
    ...(healthCheck === undefined ? {} : { healthCheck: healthCheckOf(healthCheck) }),
    ...(ulimits === undefined ? {} : { ulimits: Object.entries(ulimits).map(([name, limit]) => ({ name: name as UlimitName, softLimit: limit, hardLimit: limit })) }),
    ...(fileSystems === undefined ? {} : { fileSystems: fileSystems.map((mount, index) => fileSystemOf(stack, `${id}Files${index}`, mount)) }),
  };
}

/** A secret or a parameter as ECS names it; it can be read by its ARN without the key of its JSON. */
class SecretByArn extends Secret {
  constructor(readonly arn: string) {
    super();
  }

  readonly hasField = true;

  grantRead(grantee: IGrantable): Grant {
    const isParameter = this.arn.split(':')[2] === 'ssm';
    return Grant.addToPrincipal({
      grantee,
      actions: isParameter ? ['ssm:GetParameters'] : ['secretsmanager:GetSecretValue'],
      resourceArns: [this.arn.split(':').slice(0, isParameter ? 6 : 7).join(':')],
    });
  }
}

function healthCheckOf({ command = [], interval = 30, timeout = 5, retries = 3, startPeriod = 0 }: NonNullable<ContainerDetails['healthCheck']>) {
  const seconds = { interval: Duration.seconds(interval), timeout: Duration.seconds(timeout), startPeriod: Duration.seconds(startPeriod) };
  return { command: [...command], retries, ...seconds };
}

function fileSystemOf(stack: Stack, id: string, { id: fileSystemId = '', path = '/', securityGroup = '', accessPoint, readOnly = false }: NonNullable<ContainerDetails['fileSystems']>[number]): FileSystemMount {
  const fileSystem = FileSystem.fromFileSystemAttributes(stack, id, { fileSystemId, securityGroup: SecurityGroup.fromSecurityGroupId(stack, `${id}Group`, securityGroup) });
  const by = accessPoint === undefined ? {} : { accessPoint: AccessPoint.fromAccessPointAttributes(stack, `${id}Access`, { accessPointId: accessPoint, fileSystem }) };
  return { fileSystem, path, readOnly, ...by };
}
