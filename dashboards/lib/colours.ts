// One colour for one meaning, by Grafana's names, on every dashboard.

/** The colour of what is just a number. */
export const PLAIN = 'blue';

/** Good, worth a look, to be acted on. */
export const GOOD = 'green';
export const LOOK = 'orange';
export const ACT = 'red';

/** How messages end; what the handler decided is bright, what befell it is dark. */
export const ENDINGS: Readonly<Record<string, string>> = {
  done: GOOD,
  retry: 'yellow',
  reject: 'purple',
  timeout: LOOK,
  panic: ACT,
  handler_down: 'dark-blue',
  lease_lost: 'dark-red',
  drained: 'dark-purple',
};

/** Where messages of a queue are. */
export const STATES: Readonly<Record<string, string>> = { visible: LOOK, in_flight: PLAIN, delayed: 'purple' };

/** The calls to SQS; what takes is blue, what gives is warm. */
export const ACTIONS: Readonly<Record<string, string>> = {
  receive: PLAIN,
  delete: GOOD,
  extend: 'light-blue',
  give_back: 'yellow',
  copy: 'purple',
  attributes: 'dark-green',
};

/** How urgent an alert is. */
export const SEVERITIES: Readonly<Record<string, string>> = { page: ACT, ticket: LOOK };

/** What runtimes and programs do. */
export const PROCESSES: Readonly<Record<string, string>> = { starting: LOOK, idle: 'light-blue', busy: PLAIN, waiting: 'yellow' };

/** Quantiles: the deeper, the fewer have it. */
export const QUANTILES: Readonly<Record<string, string>> = { median: 'light-blue', '90 %': PLAIN, '99 %': 'dark-blue' };
