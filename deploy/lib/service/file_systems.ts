// File systems of EFS in a container: over TLS, by the task's role, from the service's security groups.
import type { Connections } from 'aws-cdk-lib/aws-ec2';
import type { ContainerDefinition, TaskDefinition } from 'aws-cdk-lib/aws-ecs';
import { PolicyStatement } from 'aws-cdk-lib/aws-iam';
import type { FileSystemMount } from './props.ts';

/** Mounts them, and lets the tasks in. */
export function mountFileSystems(task: TaskDefinition, container: ContainerDefinition, mounts: readonly FileSystemMount[], connections: Connections): void {
  mounts.forEach(({ fileSystem, accessPoint, path, readOnly = false }, index) => {
    const name = `${container.containerName}-efs-${index + 1}`;
    task.addVolume({
      name,
      efsVolumeConfiguration: {
        fileSystemId: fileSystem.fileSystemId,
        transitEncryption: 'ENABLED',
        authorizationConfig: { iam: 'ENABLED', ...(accessPoint === undefined ? {} : { accessPointId: accessPoint.accessPointId }) },
      },
    });
    container.addMountPoints({ sourceVolume: name, containerPath: path, readOnly });
    const access = readOnly ? [] : ['elasticfilesystem:ClientWrite'];
    task.addToTaskRolePolicy(
      new PolicyStatement({
        actions: ['elasticfilesystem:ClientMount', ...access],
        resources: [fileSystem.fileSystemArn],
        ...(accessPoint === undefined ? {} : { conditions: { StringEquals: { 'elasticfilesystem:AccessPointArn': accessPoint.accessPointArn } } }),
      }),
    );
    // Both ways: out of the tasks' groups, and into that of the mount targets.
    connections.allowToDefaultPort(fileSystem);
  });
}
