// What no APIs can be, or ought not to be: all problems at once, each with what to do.
import { ROUTES as HTTP_ROUTES } from './http.ts';
import { type HttpApiOptions, needsKey, type RestApiOptions } from './options.ts';
import { routes as restRoutes } from './rest_routes.ts';

/** The APIs in front of a queue; `false` for one that there is not. */
export interface Doors {
  readonly fifo: boolean;
  readonly rest: RestApiOptions | false;
  readonly http: HttpApiOptions | false;
}

/** What is wrong with them. */
export function problemsOf(doors: Doors): string[] {
  const { rest, http } = doors;
  return [...(rest === false || http === false ? [] : besideEachOther(rest, http)), ...throttledRoutes(doors), ...(rest === false ? [] : ofRest(rest))];
}

/** One API must be no way round the other. */
function besideEachOther(rest: RestApiOptions, http: HttpApiOptions): string[] {
  const isOpen = { rest: rest.authorization === 'NONE' && !needsKey(rest), http: http.authorization === 'NONE' };
  const way = (what: string) => `rest: ${what} goes with no HTTP API, which has none and would be a way round it`;
  return [
    ...(isOpen.http && !isOpen.rest ? ['http: everyone may call it, beside a REST API that is closed: leave it out, or close it'] : []),
    ...(isOpen.rest && !isOpen.http ? ['rest: everyone may call it, beside an HTTP API that is closed: leave it out, or close it'] : []),
    ...(rest.messageSchema === undefined ? [] : [way('a schema of messages')]),
    ...(rest.webAclArn === undefined ? [] : [way('a web ACL')]),
    ...(rest.resourcePolicy === undefined ? [] : [way('a resource policy')]),
  ];
}

function throttledRoutes({ fifo, rest, http }: Doors): string[] {
  const unknown = (kind: string, { routeThrottling = {} }: RestApiOptions | HttpApiOptions, known: readonly string[]) =>
    Object.keys(routeThrottling)
      .filter((route) => !known.includes(route))
      .map((route) => `${kind}: a limit for "${route}", which it has not: there are ${known.join(', ')}`);
  const ofRest = (options: RestApiOptions) => restRoutes(fifo, options.messageSchema !== undefined).map(({ method, path }) => `${method} /${path}`);
  return [
    ...(rest === false ? [] : unknown('rest', rest, ofRest(rest))),
    ...(http === false ? [] : unknown('http', http, HTTP_ROUTES.map(({ route }) => route))),
  ];
}

function ofRest({ openQueueRoute, messageSchema, cors, authorization, apiKey }: RestApiOptions): string[] {
  return [
    ...(openQueueRoute === true && messageSchema !== undefined ? ['rest: GET /queue cannot be open beside a schema, to which nothing in an address is held'] : []),
    ...(cors !== undefined && cors.origins.length !== 1 ? [`rest: ${cors.origins.length} origins for CORS: it takes one, or "*"`] : []),
    ...(authorization === 'KEY' && apiKey === false ? ['rest: the key is who may call it, and it asks for none: give NONE'] : []),
  ];
}
