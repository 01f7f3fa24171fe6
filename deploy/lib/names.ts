// What everything is called: `{project}-{stage}-…`.
import { Fn, Token } from 'aws-cdk-lib';
import { parameterName } from './parameter_name.ts';
import type { Settings } from './settings.ts';

/** The names of one deployment. */
export interface Names {
  readonly prefix: string;
  readonly queue: string;
  readonly dlq: string;
  readonly httpApi: string;
  readonly restApi: string;
  readonly topic: string;
  readonly alarms: string;
  readonly worker: string;
  readonly fifoSuffix: '' | '.fifo';
  /** A text with `{prefix}` in it, and CloudFormation's own `${AWS::…}`. */
  readonly within: (text: string) => string;
}

/** The name of the stack that has them. */
export function stackName({ PROJECT_NAME, STAGE }: Settings): string {
  return `${PROJECT_NAME}-${STAGE}-queue-stack`;
}

/** The names for these settings; SQS and SNS want a FIFO's name to end in `.fifo`. */
export function namesOf(settings: Settings): Names {
  const fifoSuffix = settings.FIFO === 'yes' ? '.fifo' : '';
  const within = (text: string) => fill(text, settings);
  return {
    prefix: within('{prefix}'),
    queue: within(`{prefix}-queue${fifoSuffix}`),
    dlq: within(`{prefix}-dlq${fifoSuffix}`),
    httpApi: within('{prefix}-http-api'),
    restApi: within('{prefix}-rest-api'),
    topic: within('{prefix}-topic'),
    alarms: within('{prefix}-alarms'),
    worker: within('{prefix}-worker'),
    fifoSuffix,
    within,
  };
}

/** CloudFormation fills in what is not known yet; one `Fn::Sub` is much shorter than the joins that tokens become. */
function fill(text: string, { PROJECT_NAME, STAGE }: Settings): string {
  const isAsked = Token.isUnresolved(PROJECT_NAME);
  const prefix = isAsked ? `\${${parameterName('PROJECT_NAME')}}-\${${parameterName('STAGE')}}` : `${PROJECT_NAME}-${STAGE}`;
  const filled = text.replaceAll('{prefix}', prefix);
  return filled.includes('${') ? Fn.sub(filled) : filled;
}
