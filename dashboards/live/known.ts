// Traffic that is known to the last message, as series of Prometheus: two workers, one queue that both work on and one that only the first does.

/** Seconds of it, and between two scrapes. */
export const SECONDS = 3600;
const STEP = 15;

/** How much of the traffic below each worker has of each queue. */
const SHARES = [
  { instance: 'a', queue: 'orders', share: 1 },
  { instance: 'b', queue: 'orders', share: 3 },
  { instance: 'a', queue: 'mails', share: 2 },
] as const;

/** What happens to one share in a second, by the metric and its label. */
export const RATES: Readonly<Record<string, number>> = {
  'messaging_client_consumed_messages_total': 2.5,
  'longshore_messages_started_total': 2.2,
  'longshore_messages_ended_total{ending="done"}': 1.6,
  'longshore_messages_ended_total{ending="retry"}': 0.2,
  'longshore_messages_ended_total{ending="timeout"}': 0.1,
  'longshore_messages_ended_total{ending="reject"}': 0.1,
  'longshore_messages_kept_total': 0.05,
  'longshore_messages_given_back_total': 0.3,
  'longshore_messages_duplicate_total': 0.02,
  'longshore_messages_exhausted_total': 0.01,
  'longshore_work_seconds_total': 0.5,
  'longshore_queue_wait_seconds_count': 2.2,
  'longshore_queue_wait_seconds_bucket{le="1"}': 1.1,
  'longshore_queue_wait_seconds_bucket{le="60"}': 1.8,
  'longshore_queue_wait_seconds_bucket{le="300"}': 2.2,
  'longshore_queue_wait_seconds_bucket{le="+Inf"}': 2.2,
  'messaging_process_duration_seconds_bucket{le="0.25"}': 1,
  'messaging_process_duration_seconds_bucket{le="0.5"}': 1.8,
  'messaging_process_duration_seconds_bucket{le="1"}': 2,
  'messaging_process_duration_seconds_bucket{le="+Inf"}': 2,
  'messaging_client_operation_duration_seconds_bucket{messaging_operation_name="receive",le="5"}': 0,
  'messaging_client_operation_duration_seconds_bucket{messaging_operation_name="receive",le="20"}': 0.3,
  'messaging_client_operation_duration_seconds_bucket{messaging_operation_name="receive",le="+Inf"}': 0.3,
  'longshore_lease_extensions_total': 0.4,
  'longshore_messages_settled_total{action="delete"}': 1.6,
  'longshore_messages_settled_total{action="copy"}': 0.1,
  'longshore_settle_retries_total{action="delete"}': 0.03,
  'longshore_settle_failures_total{action="delete"}': 0.004,
  'longshore_api_calls_total{action="receive",result="ok"}': 0.3,
  'longshore_api_calls_total{action="delete",result="ok"}': 0.25,
  'longshore_api_calls_total{action="delete",result="retryable"}': 0.01,
  'longshore_api_calls_total{action="extend",result="refused"}': 0.005,
  'longshore_sns_calls_total{result="ok"}': 0.2,
  'longshore_sns_calls_total{result="refused"}': 0.1,
  'longshore_notifications_total{occasion="done",result="sent"}': 0.2,
  'longshore_notifications_total{occasion="reject",result="failed"}': 0.1,
  'longshore_handler_failures_total{cause="status_5xx"}': 0.2,
  'longshore_handler_failures_total{cause="timeout"}': 0.1,
  'longshore_handler_process_starts_total': 0.06,
  'longshore_handler_process_exits_total{cause="expected"}': 0.04,
  'longshore_handler_process_exits_total{cause="crashed"}': 0.02,
};

/** How often something of this happens in a second: of a queue, of a worker, or of all. */
export function rateOf(metric: string, of: { readonly queue?: string; readonly instance?: string } = {}): number {
  const shares = SHARES.filter(({ queue, instance }) => (of.queue ?? queue) === queue && (of.instance ?? instance) === instance);
  const rates = Object.entries(RATES).filter(([name]) => name === metric || name.startsWith(`${metric}{`));
  return shares.reduce((sum, { share }) => sum + share, 0) * rates.reduce((sum, [, rate]) => sum + rate, 0);
}

/** What stays as it is, by metric, worker and queue. Every call looks as if it ran whenever somebody looks, which the work denies. */
const GAUGES: Readonly<Record<string, Readonly<Record<string, number>>>> = {
  'longshore_handler_calls_running': { 'a orders': 4, 'b orders': 4, 'a mails': 4 },
  'longshore_concurrency': { 'a orders': 8, 'b orders': 8, 'a mails': 4 },
  'longshore_messages_running': { 'a orders': 4, 'b orders': 4, 'a mails': 4 },
  'longshore_messages_held': { 'a orders': 5, 'b orders': 6, 'a mails': 4 },
  'longshore_permits': { 'a orders': 10, 'b orders': 10, 'a mails': 5 },
  'longshore_pollers': { 'a orders': 1, 'b orders': 2, 'a mails': 1 },
  'longshore_seconds_since_successful_receive': { 'a orders': 12, 'b orders': 33, 'a mails': 7 },
  'longshore_polling_paused{reason="handler_down"}': { 'a orders': 0, 'b orders': 1, 'a mails': 0 },
  'longshore_polling_paused{reason="breaker_open"}': { 'a orders': 0, 'b orders': 1, 'a mails': 0 },
  'longshore_polling_paused{reason="short_of_resources"}': { 'a orders': 0, 'b orders': 0, 'a mails': 0 },
  'longshore_polling_paused{reason="operator"}': { 'a orders': 0, 'b orders': 1, 'a mails': 0 },
  'longshore_queue_messages{state="visible"}': { 'a orders': 1200, 'b orders': 1190, 'a mails': 10 },
  'longshore_queue_messages{state="in_flight"}': { 'a orders': 40, 'b orders': 38, 'a mails': 2 },
  'longshore_queue_messages{state="delayed"}': { 'a orders': 7, 'b orders': 7, 'a mails': 0 },
  'longshore_dlq_messages': { 'a orders': 1234, 'b orders': 1234 },
  'longshore_queue_oldest_message_age_seconds': { 'a orders': 240, 'b orders': 200, 'a mails': 0 },
  'longshore_backlog_seconds': { 'a orders': 600, 'b orders': 580, 'a mails': 50 },
  'longshore_queue_depth_age_seconds': { 'a orders': 10, 'b orders': 20, 'a mails': 30 },
  'longshore_queue_retention_seconds': { 'a orders': 345600, 'b orders': 345600, 'a mails': 345600 },
  'longshore_oldest_running_seconds': { 'a orders': 30, 'b orders': 70, 'a mails': 1 },
  'longshore_oldest_waiting_seconds': { 'a orders': 2, 'b orders': 3, 'a mails': 1 },
  'longshore_settling': { 'a orders': 2, 'b orders': 3, 'a mails': 1 },
  'longshore_oldest_settling_seconds': { 'a orders': 0.5, 'b orders': 0.25, 'a mails': 1 },
  'longshore_groups_held': { 'a orders': 3, 'b orders': 4 },
  'longshore_group_messages_held_max': { 'a orders': 2, 'b orders': 5 },
  'longshore_handler_info{kind="http"}': { 'a orders': 1, 'b orders': 1 },
  'longshore_handler_info{kind="exec"}': { 'a mails': 1 },
  'longshore_handler_processes{state="busy"}': { 'a mails': 2 },
  'longshore_handler_processes{state="idle"}': { 'a mails': 1 },
};

/** Leases that are lost: when, and by whom; the counter of `b` starts anew between its two. */
const LOST = { 'a orders': [610, 1200], 'b orders': [2000, 3000], 'a mails': [] };
const ANEW = 2700;
export const LEASES_LOST = 4;

/** When the second worker was started anew. */
export const RESTARTED = 1800;

type Line = readonly [series: string, value: (second: number) => number];

/** All series in OpenMetrics's text, the first sample at this time. */
export function openMetrics(start: number): string {
  const families = new Map<string, Line[]>();
  for (const line of [...ofQueues(), ...ofWorkers(start)]) {
    const name = line[0].split('{')[0] ?? '';
    families.set(name, [...(families.get(name) ?? []), line]);
  }
  const seconds = Array.from({ length: SECONDS / STEP + 1 }, (_, index) => index * STEP);
  const samples = ([series, value]: Line) => seconds.map((second) => `${series} ${value(second)} ${start + second}`);
  return [...[...families].flatMap(([name, lines]) => [`# TYPE ${name} unknown`, ...lines.flatMap(samples)]), '# EOF', ''].join('\n');
}

function ofQueues(): Line[] {
  const of = (metric: string, instance: string, queue: string) => series(metric, `instance="${instance}",queue="${queue}"`);
  const counters = SHARES.flatMap(({ instance, queue, share }) =>
    Object.entries(RATES).map(([metric, rate]): Line => [of(metric, instance, queue), (second) => rate * share * second]),
  );
  const gauges = Object.entries(GAUGES).flatMap(([metric, values]) =>
    Object.entries(values).map(([place, value]): Line => [of(metric, place.split(' ')[0] ?? '', place.split(' ')[1] ?? ''), () => value]),
  );
  const lost = Object.entries(LOST).map(([place, times]): Line => {
    const since = (second: number) => (place.startsWith('b') && second >= ANEW ? ANEW : 0);
    const [instance = '', queue = ''] = place.split(' ');
    return [of('longshore_leases_lost_total', instance, queue), (second) => times.filter((time) => time <= second && time >= since(second)).length];
  });
  return [...counters, ...gauges, ...lost];
}

function ofWorkers(start: number): Line[] {
  const of = (metric: string, instance: string) => series(metric, `instance="${instance}"`);
  const constant = (text: string, value: number): Line => [text, () => value];
  return [
    ...['a', 'b'].map((instance) => constant(of('up', instance), 1)),
    constant(of('up', 'gone'), 0),
    constant(of('longshore_build_info{version="1.0.0"}', 'a'), 1),
    constant(of('longshore_build_info{version="1.1.0"}', 'b'), 1),
    constant(of('longshore_drain_seconds', 'a'), 0),
    constant(of('longshore_drain_seconds', 'b'), 5),
    constant(of('longshore_task_protected', 'a'), 1),
    [of('process_cpu_seconds_total', 'a'), (second) => 0.2 * second],
    [of('process_cpu_seconds_total', 'b'), (second) => 0.4 * second],
    constant(of('process_resident_memory_bytes', 'a'), 1e8),
    constant(of('process_resident_memory_bytes', 'b'), 3e8),
    constant(of('process_start_time_seconds', 'a'), start - 1000),
    [of('process_start_time_seconds', 'b'), (second) => (second < RESTARTED ? start - 500 : start + RESTARTED)],
    constant(series('ALERTS{alertname="LongshoreHandlerDown",alertstate="firing",severity="ticket"}', 'instance="b",queue="orders"'), 1),
    constant(series('ALERTS{alertname="LongshoreOldestWaiting",alertstate="firing",severity="ticket"}', 'queue="orders"'), 1),
    constant(series('ALERTS{alertname="LongshoreFailing",alertstate="pending",severity="page"}', 'queue="orders"'), 1),
    constant(series('ALERTS{alertname="OtherAlert",alertstate="firing",severity="page"}', 'instance="b"'), 1),
  ];
}

function series(metric: string, labels: string): string {
  const [name = '', own = ''] = metric.replace('}', '').split('{');
  return `${name}{${[own, 'cluster="one",namespace="shop",job="longshore"', labels].filter(Boolean).join(',')}}`;
}
