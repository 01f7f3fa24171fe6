// The containers of a task: the worker, and beside it the handler and the collector where there are such.
import type { CfnTaskDefinition } from 'aws-cdk-lib/aws-ecs';
import type { Settings } from '../settings.ts';
import { type Environment, STOP_TIMEOUT_SECONDS, tracing } from './environment.ts';

type Container = CfnTaskDefinition.ContainerDefinitionProperty;

/** The volumes for temporary files, one for each container that gets one: the root file systems are read-only. */
export const TEMPORARY = { worker: 'tmp', handler: 'handler-tmp' };
const FILES = 65536;
/** Traces go to X-Ray; the worker's metrics are scraped where it serves them. */
const COLLECTOR_CONFIG = `receivers: {otlp: {protocols: {grpc: {endpoint: "127.0.0.1:4317"}, http: {endpoint: "127.0.0.1:4318"}}}}
exporters: {awsxray: {}}
service: {pipelines: {traces: {receivers: [otlp], exporters: [awsxray]}}}
`;

/** What all containers of the task share. */
export interface Surroundings {
  readonly settings: Settings;
  /** What traces call the worker. */
  readonly name: string;
  readonly variables: Environment;
  readonly logGroup: string;
  readonly region: string;
}

/** All of them. ECS stops a container after those that depend on it, so the worker drains before its helpers end. */
export function containers(surroundings: Surroundings): Container[] {
  const { settings } = surroundings;
  const helpers = [...handler(settings, surroundings), ...collector(settings, surroundings)];
  return [worker(surroundings, helpers.map(({ name }) => name)), ...helpers];
}

function worker(surroundings: Surroundings, helpers: string[]): Container {
  return {
    ...common('worker', surroundings.settings.IMAGE, surroundings),
    essential: true,
    command: ['run'],
    environment: asList({ ...surroundings.variables, ...tracing(surroundings.settings, surroundings.name) }),
    healthCheck: { command: ['CMD', 'longshore', 'healthcheck'], interval: 10, timeout: 5, retries: 3, startPeriod: 30 },
    dependsOn: helpers.map((containerName) => ({ containerName, condition: 'START' })),
    mountPoints: [temporary(TEMPORARY.worker)],
    ulimits: [{ name: 'nofile', softLimit: FILES, hardLimit: FILES }],
  };
}

function handler(settings: Settings, surroundings: Surroundings): Container[] {
  if (settings.HANDLER_IMAGE === undefined) return [];
  const environment = asList(tracing(settings, `${surroundings.name}-handler`));
  return [
    {
      ...helper('handler', settings.HANDLER_IMAGE, surroundings),
      ...(environment.length > 0 ? { environment } : {}),
      mountPoints: [temporary(TEMPORARY.handler)],
    },
  ];
}

function collector(settings: Settings, surroundings: Surroundings): Container[] {
  if (settings.COLLECTOR_IMAGE === undefined) return [];
  return [{ ...helper('collector', settings.COLLECTOR_IMAGE, surroundings), environment: asList({ AOT_CONFIG_CONTENT: COLLECTOR_CONFIG }) }];
}

/** A helper that fails is started again: the worker pauses meanwhile, and no work that is under way is lost with it. */
function helper(name: string, image: string, surroundings: Surroundings): Container {
  return { ...common(name, image, surroundings), essential: false, restartPolicy: { enabled: true, restartAttemptPeriod: 60 } };
}

function common(name: string, image: string, { logGroup, region }: Surroundings): Container & { name: string } {
  return {
    name,
    image,
    readonlyRootFilesystem: true,
    stopTimeout: STOP_TIMEOUT_SECONDS,
    // The first process reaps what the programs of a handler leave behind.
    linuxParameters: { capabilities: { drop: ['ALL'] }, initProcessEnabled: true },
    logConfiguration: {
      logDriver: 'awslogs',
      options: { 'awslogs-group': logGroup, 'awslogs-region': region, 'awslogs-stream-prefix': name, mode: 'non-blocking' },
    },
  };
}

function temporary(sourceVolume: string): CfnTaskDefinition.MountPointProperty {
  return { sourceVolume, containerPath: '/tmp', readOnly: false };
}

function asList(variables: Environment): CfnTaskDefinition.KeyValuePairProperty[] {
  return Object.entries(variables).map(([name, value]) => ({ name, value }));
}
