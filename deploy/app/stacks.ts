// The deployment of the settings: three stacks, of which the first shares its key with the others by an export.
import { type App, BootstraplessSynthesizer, type CfnElement, CfnOutput, Stack, Tags } from 'aws-cdk-lib';
import { acknowledge } from './acknowledgements.ts';
import { addApi } from './api.ts';
import { detailsOf } from './details.ts';
import { kindsOf, prefixOf, type StackKind, stackName } from './names.ts';
import { withParameters } from './parameters.ts';
import { addQueue } from './queue.ts';
import { addService } from './service.ts';
import type { Settings } from './settings.ts';

/** Whether settings are written into the templates, or asked for at each deployment. */
export type Binding = 'written' | 'asked';

/** What adds the parts of a stack; its outputs. */
export type AddParts = (stack: Stack, settings: Settings, prefix: string) => Readonly<Record<string, Output>>;

/** An output: a value, and by what name after the prefix other stacks import it. */
export interface Output {
  readonly value: string | undefined;
  readonly exported?: string;
}

const PARTS: Readonly<Record<StackKind, { readonly description: string; readonly add: AddParts }>> = {
  queue: { description: 'Longshore: the queue, its DLQ, the topics and the key', add: addQueue },
  api: { description: 'Longshore: API Gateway to the queue', add: addApi },
  service: { description: 'Longshore: workers on Fargate', add: addService },
};

/** One of them. */
export class LongshoreStack extends Stack {
  constructor(app: App, readonly kind: StackKind, given: Settings, binding: Binding) {
    super(app, binding === 'written' ? stackName(given, kind) : kind, { synthesizer: new BootstraplessSynthesizer(), description: PARTS[kind].description });
    const settings = binding === 'asked' ? withParameters(this, given) : given;
    const prefix = prefixOf(settings);
    for (const [id, { value, exported }] of Object.entries(PARTS[kind].add(this, settings, prefix))) {
      if (value !== undefined) new CfnOutput(this, id, { value, ...(exported === undefined ? {} : { exportName: `${prefix}-${exported}` }) });
    }
    for (const [tag, value] of Object.entries(detailsOf(settings).tags ?? {})) Tags.of(this).add(tag, value);
    if (binding === 'written') acknowledge(this, settings);
  }

  /** Ids go without the hash that the CDK adds: each is named many times, and the CDK refuses two that are alike. */
  protected override allocateLogicalId(element: CfnElement): string {
    return super.allocateLogicalId(element).replace(/[0-9A-F]{8}$/, '');
  }
}

/** Adds all of them, in the order in which they are deployed. */
export function addStacks(app: App, settings: Settings, binding: Binding = 'written'): LongshoreStack[] {
  const stacks = kindsOf(settings).map((kind) => new LongshoreStack(app, kind, settings, binding));
  stacks.forEach((stack, index) => stacks.slice(0, index).forEach((earlier) => stack.addStackDependency(earlier)));
  return stacks;
}
