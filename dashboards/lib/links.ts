// The ways from one dashboard to another, which keep what the reader has chosen and the time that is shown.

/** What each dashboard is called in Grafana's addresses. */
export const UIDS = { fleet: 'longshore-fleet', queue: 'longshore-queue', handlers: 'longshore-handlers', cloudwatch: 'longshore-cloudwatch' };

const FLEETS_KEPT = '${datasource:queryparam}&${cluster:queryparam}&${namespace:queryparam}&${job:queryparam}&${__url_time_range}';
const KEPT = `${FLEETS_KEPT}&\${instance:queryparam}`;

/** From a cell that holds a queue's name to that queue. */
export const TO_QUEUE = `/d/${UIDS.queue}?${KEPT}&var-queue=\${__value.raw:percentencode}`;
/** From a cell that holds a worker's name to that worker alone. */
export const TO_WORKER = `/d/${UIDS.fleet}?${FLEETS_KEPT}&var-instance=\${__value.raw:percentencode}`;
/** From a queue to its handler. */
export const TO_HANDLER = { title: 'Its handler', url: `/d/${UIDS.handlers}?${KEPT}&\${queue:queryparam}` };
