// What the APIs are told: who may call them, from which pages, by which name and how often.
import type { Duration } from 'aws-cdk-lib';
import type { IUserPool } from 'aws-cdk-lib/aws-cognito';
import type { PolicyDocument } from 'aws-cdk-lib/aws-iam';
import type { IFunction } from 'aws-cdk-lib/aws-lambda';

/** Users of Cognito, by a token of one of these pools. */
export interface CognitoAuthorization {
  readonly userPools: readonly IUserPool[];
  /**
   * The scopes of which an access token needs one.
   * @default none, and an identity token is taken
   */
  readonly scopes?: readonly string[];
}

/** Whoever has a token of this issuer, for one of these audiences. */
export interface JwtAuthorization {
  /** The issuer's address, such as `https://cognito-idp.eu-west-1.amazonaws.com/eu-west-1_AbCdEf`. */
  readonly issuer: string;
  readonly audience: readonly string[];
  /**
   * The scopes of which a token needs one.
   * @default none
   */
  readonly scopes?: readonly string[];
}

/** Whom a function lets in, by the policy that it answers with; both kinds of API ask it in the same form, `1.0`. */
export interface LambdaAuthorization {
  readonly authorizer: IFunction;
  /**
   * The header that it decides by; a request without it is refused unasked.
   * @default 'Authorization'
   */
  readonly header?: string;
  /**
   * How long an answer holds for all routes: the policy must name all of them, or this be 0.
   * @default 5 minutes
   */
  readonly cache?: Duration;
}

/** Who may call a REST API: those whose signed requests IAM allows, those with a key, those with a token, or everyone. */
export type RestAuthorization = 'AWS_IAM' | 'KEY' | 'NONE' | CognitoAuthorization | LambdaAuthorization;

/** Who may call an HTTP API, which knows no keys. */
export type HttpAuthorization = 'AWS_IAM' | 'NONE' | JwtAuthorization | LambdaAuthorization;

/** Pages of other origins that browsers let call the API. */
export interface Cors {
  /** `https://shop.example.com`, or `*`; a REST API takes one. */
  readonly origins: readonly string[];
  /**
   * How long a browser remembers.
   * @default 1 hour
   */
  readonly maxAge?: Duration;
}

/** A name of your own, in place of API Gateway's address, which answers no more. */
export interface ApiDomain {
  readonly name: string;
  /** The ARN of its certificate in ACM, in the same region. */
  readonly certificateArn: string;
  /**
   * Where the certificates stand that a client's must come from: mutual TLS. `s3://bucket/key`.
   * @default clients need no certificate
   */
  readonly trustStore?: string;
}

/** What both kinds of API are told. */
export interface ApiOptions {
  /**
   * Requests a second that it takes, and at once.
   * @default 100
   */
  readonly throttling?: number;
  /**
   * The same of single routes, such as `POST /v1/messages/batch`.
   * @default as throttling says
   */
  readonly routeThrottling?: Readonly<Record<string, number>>;
  /** @default browsers let no page of another origin call it */
  readonly cors?: Cors;
  /** @default the address of API Gateway */
  readonly domain?: ApiDomain;
}

/** What the HTTP API is told. */
export interface HttpApiOptions extends ApiOptions {
  /** @default 'AWS_IAM' */
  readonly authorization?: HttpAuthorization;
}

/** What the REST API is told. */
export interface RestApiOptions extends ApiOptions {
  /** @default 'AWS_IAM' */
  readonly authorization?: RestAuthorization;
  /**
   * Whether a request needs a key as well.
   * @default true, unless everyone may call it
   */
  readonly apiKey?: boolean;
  /**
   * Whether everyone may call `GET /queue?message=`, whoever may call the other routes.
   * @default false
   */
  readonly openQueueRoute?: boolean;
  /**
   * What a message must look like: a JSON schema of draft 4, as JSON. Then there is no `text/plain`, no `GET`, and no HTTP API, which check nothing.
   * @default any JSON
   */
  readonly messageSchema?: string;
  /**
   * Bytes from which on answers are compressed; requests that come compressed are unpacked.
   * @default no compression: answers are short, and a compressed body is not JSON
   */
  readonly minimumCompressionSize?: number;
  /**
   * The ARN of a regional web ACL in front of it.
   * @default none
   */
  readonly webAclArn?: string;
  /**
   * Who of those may call it at all, such as the addresses of an office or an endpoint.
   * @default no such policy
   */
  readonly resourcePolicy?: PolicyDocument;
  /**
   * Whether it makes the role by which API Gateway writes access logs, and sets it for the account and region, which have only one.
   * @default true
   */
  readonly accountLogRole?: boolean;
  /**
   * The name of its stage, the first part of its paths.
   * @default 'prod'
   */
  readonly stageName?: string;
}

/** Whether a key is asked for. */
export function needsKey({ authorization = 'AWS_IAM', apiKey }: RestApiOptions): boolean {
  return authorization === 'KEY' || (apiKey ?? authorization !== 'NONE');
}
