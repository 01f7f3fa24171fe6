# Who is let in at each API, by what the variables say; what cannot be, or ought not to be, is a problem.
locals {
  has_rest = contains(["both", "rest"], var.apis)
  has_http = contains(["both", "http"], var.apis)

  needs_key = var.rest_authorization == "KEY" || (var.rest.key == null ? var.rest_authorization != "NONE" : var.rest.key)
  rest_authorizers = {
    for authorizer in local.has_rest ? var.rest.authorizer[*] : [] : "this" => {
      type            = var.rest_authorization == "COGNITO" ? "COGNITO_USER_POOLS" : "REQUEST"
      identity_source = "method.request.header.${var.rest_authorization == "COGNITO" ? "Authorization" : authorizer.header}"
      provider_arns   = var.rest_authorization == "COGNITO" ? authorizer.user_pools : null
      function        = var.rest_authorization == "LAMBDA" ? authorizer.function : null
      ttl             = var.rest_authorization == "LAMBDA" ? authorizer.cache : null
    }
  }
  http_authorizers = {
    for authorizer in local.has_http ? var.http.authorizer[*] : [] : "this" => {
      type            = var.http_authorization == "JWT" ? "JWT" : "REQUEST"
      identity_source = "$request.header.${var.http_authorization == "JWT" ? "Authorization" : authorizer.header}"
      jwt             = var.http_authorization == "JWT" ? [{ issuer = authorizer.issuer, audience = authorizer.audience }] : []
      function        = var.http_authorization == "LAMBDA" ? authorizer.function : null
      ttl             = var.http_authorization == "LAMBDA" ? authorizer.cache : null
    }
  }

  invocations   = "arn:${local.partition}:apigateway:${local.region}:lambda:path/2015-03-31/functions"
  sets_log_role = local.has_rest && !var.existing.api_log_role

  # What each method asks for.
  rest_type   = { AWS_IAM = "AWS_IAM", KEY = "NONE", COGNITO = "COGNITO_USER_POOLS", LAMBDA = "CUSTOM", NONE = "NONE" }[var.rest_authorization]
  rest_scopes = var.rest_authorization == "COGNITO" ? flatten(var.rest.authorizer[*].scopes) : []
  gates = {
    for name, route in local.routes : name => name == "queue" && var.rest.open_queue_route ? { type = "NONE", key = false, scopes = [] } : { type = local.rest_type, key = local.needs_key, scopes = local.rest_scopes }
  }
  http_gate = {
    type   = { AWS_IAM = "AWS_IAM", JWT = "JWT", LAMBDA = "CUSTOM", NONE = "NONE" }[var.http_authorization]
    scopes = var.http_authorization == "JWT" ? flatten(var.http.authorizer[*].scopes) : []
  }

  # What browsers are told of pages of other origins; a REST API takes one origin.
  cors_headers = ["Authorization", "Content-Type", "X-Amz-Date", "X-Amz-Security-Token", "X-Api-Key", "X-Message-Deduplication-Id", "X-Message-Delay-Seconds", "X-Message-Group-Id", "X-Request-Id", "traceparent", "tracestate"]
  origin       = { for cors in var.rest.cors[*] : "Access-Control-Allow-Origin" => "'${cors.origins[0]}'" }
  preflights = {
    for pair in setproduct(var.rest.cors[*], keys(local.routes)) : pair[1] => merge(
      {
        "Access-Control-Allow-Headers" = "'${join(",", local.cors_headers)}'"
        "Access-Control-Allow-Methods" = "'${local.routes[pair[1]].method}'"
        "Access-Control-Allow-Origin"  = "'${pair[0].origins[0]}'"
        "Access-Control-Max-Age"       = "'${pair[0].max_age}'"
      },
      pair[0].origins[0] == "*" ? {} : { Vary = "'Origin'" },
    )
  }

  # Requests a second, of all routes and of single ones; a method's path has ~1 for its slashes.
  rest_limits = merge(
    { "*/*" = var.api_throttling },
    { for route, limit in var.rest.throttling : "${trimprefix(split(" ", route)[1], "/")}/${split(" ", route)[0]}" => limit },
  )

  # Who called, as IAM, Cognito, the issuer of a token or the owner's function says it.
  principals = {
    AWS_IAM = "$context.identity.userArn"
    COGNITO = "$context.authorizer.claims.sub"
    JWT     = "$context.authorizer.claims.sub"
    LAMBDA  = "$context.authorizer.principalId"
  }
  logged = {
    time              = "$context.requestTime"
    ip                = "$context.identity.sourceIp"
    method            = "$context.httpMethod"
    status            = "$context.status"
    responseBytes     = "$context.responseLength"
    latencyMs         = "$context.responseLatency"
    integrationStatus = "$context.integrationStatus"
  }
  log_formats = {
    rest = jsonencode(merge(
      local.logged,
      { requestId = "$context.extendedRequestId", route = "$context.resourcePath" },
      { for name, text in local.principals : "principal" => text if name == var.rest_authorization },
      local.needs_key ? { apiKeyId = "$context.identity.apiKeyId" } : {},
    ))
    http = jsonencode(merge(
      local.logged,
      { requestId = "$context.requestId", route = "$context.routeKey" },
      { for name, text in local.principals : "principal" => text if name == var.http_authorization },
    ))
  }

  is_open = { rest = var.rest_authorization == "NONE" && !local.needs_key, http = var.http_authorization == "NONE" }
  asked = {
    COGNITO = { for authorizer in var.rest.authorizer[*] : "user_pools" => length(authorizer.user_pools) > 0 }
    JWT     = { for authorizer in var.http.authorizer[*] : "issuer and audience" => authorizer.issuer != null && length(authorizer.audience) > 0 }
  }
  around = [for what in [
    { name = "a schema of messages", is = var.message_schema != null },
    { name = "a web ACL", is = var.waf_acl_arn != null },
    { name = "a resource policy", is = var.rest.policy != null },
  ] : what.name if what.is]
  problems = concat(
    local.has_rest && local.has_http && local.is_open.http && !local.is_open.rest ? ["http: everyone may call it, beside a REST API that is closed: leave it out, or close it"] : [],
    local.has_rest && local.has_http && local.is_open.rest && !local.is_open.http ? ["rest: everyone may call it, beside an HTTP API that is closed: leave it out, or close it"] : [],
    local.has_rest && local.has_http ? [for what in local.around : "rest: ${what} goes with no HTTP API, which has none and would be a way round it"] : [],
    !local.has_rest ? [for what in local.around : "${what} goes with a REST API, and apis is ${var.apis}"] : [],
    local.has_rest && contains(["COGNITO", "LAMBDA"], var.rest_authorization) && var.rest.authorizer == null ? ["rest_authorization ${var.rest_authorization} goes with rest.authorizer"] : [],
    local.has_http && contains(["JWT", "LAMBDA"], var.http_authorization) && var.http.authorizer == null ? ["http_authorization ${var.http_authorization} goes with http.authorizer"] : [],
    local.has_rest && var.rest.authorizer != null && !contains(["COGNITO", "LAMBDA"], var.rest_authorization) ? ["rest.authorizer goes with another rest_authorization than ${var.rest_authorization}"] : [],
    local.has_http && var.http.authorizer != null && !contains(["JWT", "LAMBDA"], var.http_authorization) ? ["http.authorizer goes with another http_authorization than ${var.http_authorization}"] : [],
    var.rest_authorization == "COGNITO" ? [for what, is in local.asked.COGNITO : "rest_authorization COGNITO goes with rest.authorizer.${what}" if !is] : [],
    var.http_authorization == "JWT" ? [for what, is in local.asked.JWT : "http_authorization JWT goes with http.authorizer's ${what}" if !is] : [],
    var.rest_authorization == "LAMBDA" ? [for function in var.rest.authorizer[*].function : "rest_authorization LAMBDA goes with rest.authorizer.function" if function == null] : [],
    var.http_authorization == "LAMBDA" ? [for function in var.http.authorizer[*].function : "http_authorization LAMBDA goes with http.authorizer.function" if function == null] : [],
    var.rest.open_queue_route && var.message_schema != null ? ["rest: GET /queue cannot be open beside a schema, to which nothing in an address is held"] : [],
    [for cors in var.rest.cors[*] : "rest: ${length(cors.origins)} origins for CORS: it takes one, or \"*\"" if length(cors.origins) != 1],
    var.rest_authorization == "KEY" && var.rest.key == false ? ["rest: the key is who may call it, and it asks for none: give NONE"] : [],
    [for route in keys(var.rest.throttling) : "rest: a limit for \"${route}\", which it has not" if local.has_rest && !contains([for one in local.routes : "${one.method} ${one.path}"], route)],
    [for route in keys(var.http.throttling) : "http: a limit for \"${route}\", which it has not" if local.has_http && !contains(keys(local.http_routes), route)],
    var.handler_image == null && anytrue([for one in var.queues : one.handler == null]) ? ["queues: without handler_image each needs a handler"] : [],
    var.handler_image != null && var.handler != null ? ["handler and handler_image exclude each other"] : [],
    var.min_tasks > var.max_tasks ? ["min_tasks must be at most max_tasks"] : [],
    var.network == "existing" && (var.vpc_id == null || length(var.subnet_ids) == 0) ? ["network \"existing\" needs vpc_id and subnet_ids"] : [],
    local.makes_ecs_role && !local.makes_cluster ? ["ecs_role \"make\" goes with a cluster that is made here"] : [],
    length(var.subscriptions) > 0 && var.existing.queue != null ? ["subscriptions go with a queue that is made here"] : [],
  )
}

# The HTTP API's routes.
locals {
  # A body is an argument of its own, and so need not be escaped; the older route knows no groups.
  http_routes = {
    "POST /v1/messages" = { body = "$request.body", group = "$request.header.x-message-group-id" }
    "GET /v1/send"      = { body = "$request.querystring.MessageBody", group = "$context.requestId" }
  }
  # JSON into which this kind of API writes a variable without escaping it: only what API Gateway itself has made may be in it.
  http_attributes = "{\"requestId\":{\"DataType\":\"String\",\"StringValue\":\"$${context.requestId}\"}}"
}
