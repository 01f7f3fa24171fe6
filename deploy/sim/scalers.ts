// Those that are compared: this deployment, with the workers' own orders or without, the CDK's own pattern, and KEDA.
import { App, Stack } from 'aws-cdk-lib';
import { Vpc } from 'aws-cdk-lib/aws-ec2';
import { ContainerImage } from 'aws-cdk-lib/aws-ecs';
import { QueueProcessingFargateService } from 'aws-cdk-lib/aws-ecs-patterns';
import { Queue } from 'aws-cdk-lib/aws-sqs';
import { synthesize } from '../app/synth.ts';
import type { ScalableTarget } from './auto_scaling.ts';
import type { CloudWatch } from './cloudwatch.ts';
import { Keda } from './keda.ts';
import { Orders } from './orders.ts';
import type { Reading } from './metric_math.ts';
import type { Scaler, Scaling } from './simulate.ts';
import { rulesOf } from './template.ts';
import type { Trace } from './trace.ts';

type Template = Record<string, unknown>;

/** This deployment's template, with the settings that the trace needs. */
export function longshore(reading: Reading = 'missing'): Scaling {
  return fromTemplate(once((trace) => longshoreTemplate(trace, 'alarms')), reading);
}

/** The same with `SCALE_OUT=workers`. */
export function longshoreWorkers(reading: Reading = 'missing'): Scaling {
  const byAlarms = fromTemplate(once((trace) => longshoreTemplate(trace, 'workers')), reading);
  return (target, store, trace) => {
    const alarms = byAlarms(target, store, trace);
    const orders = new Orders(target, trace.concurrency);
    return {
      pass(now, queue, fleet) {
        alarms.pass(now, queue, fleet);
        orders.pass(now, fleet.looks());
      },
    };
  };
}

/** The CDK's `QueueProcessingFargateService`, with its defaults. */
export function cdkPattern(): Scaling {
  return fromTemplate(once(cdkTemplate), 'missing');
}

/** KEDA, with as many messages a pod as it has slots. */
export function keda(): Scaling {
  return (target, _, { concurrency }) => {
    const scaler = new Keda(target, concurrency);
    return { pass: (now, queue) => scaler.pass(now, queue.waiting + queue.inFlight) };
  };
}

function fromTemplate(templateFor: (trace: Trace) => Template, reading: Reading): Scaling {
  return (target: ScalableTarget, store: CloudWatch, trace: Trace): Scaler => {
    const rules = rulesOf(templateFor(trace), target, store, reading);
    return {
      pass(now) {
        for (const { alarm, policy } of rules) if (alarm.evaluate(now)) policy.invoke(now, alarm.evaluated, alarm.settings.threshold);
      },
    };
  };
}

function longshoreTemplate({ concurrency, minTasks, maxTasks }: Trace, by: 'alarms' | 'workers'): Template {
  const settings = { SCALE_OUT: by, CONCURRENCY: concurrency, MIN_TASKS: minTasks, MAX_TASKS: maxTasks };
  const texts = Object.fromEntries(Object.entries(settings).map(([name, value]) => [name, String(value)]));
  return synthesize({ PROJECT_NAME: 'orders', IMAGE: 'longshore', HANDLER_IMAGE: 'handler', ...texts }, 'written').service;
}

function cdkTemplate({ minTasks, maxTasks }: Trace): Template {
  const app = new App({ analyticsReporting: false });
  const stack = new Stack(app, 'Pattern');
  new QueueProcessingFargateService(stack, 'Service', {
    vpc: new Vpc(stack, 'Vpc', { natGateways: 0 }),
    image: ContainerImage.fromRegistry('worker'),
    queue: new Queue(stack, 'Queue'),
    minScalingCapacity: minTasks,
    maxScalingCapacity: maxTasks,
  });
  return app.synth().getStackArtifact(stack.artifactId).template as Template;
}

/** Synthesizing takes seconds: each fleet's template is made once. */
function once(make: (trace: Trace) => Template): (trace: Trace) => Template {
  const made = new Map<string, Template>();
  return (trace) => {
    const key = JSON.stringify([trace.concurrency, trace.minTasks, trace.maxTasks]);
    const template = made.get(key) ?? make(trace);
    made.set(key, template);
    return template;
  };
}
