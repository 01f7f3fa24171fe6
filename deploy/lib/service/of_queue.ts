// What is there once for each queue: the first goes without the queue's name.

/** The id and the name of an alarm, and its section in docs/alarms.md. */
export function ofQueue(id: string, name: string, queue: string): { id: string; name: string; section: string } {
  if (queue === '') return { id, name, section: name };
  return { id: `${id}-${queue}`, name: `${name}-${queue}`, section: name };
}
