# The REST API: validated requests, single and in batches, with mapped answers, a key and a usage plan.
locals {
  resources = merge(
    { for path, made in aws_api_gateway_resource.first : path => made.id },
    { for path, made in aws_api_gateway_resource.second : path => made.id },
    { for path, made in aws_api_gateway_resource.third : path => made.id },
  )
}

resource "aws_api_gateway_rest_api" "this" {
  count                        = local.has_rest ? 1 : 0
  name                         = local.rest_api
  disable_execute_api_endpoint = var.rest.domain != null
  minimum_compression_size     = var.rest.compression
  policy                       = var.rest.policy
  tags                         = var.tags
  endpoint_configuration {
    types = ["REGIONAL"]
  }
  lifecycle {
    create_before_destroy = true
  }
}

resource "aws_api_gateway_resource" "first" {
  for_each    = { for path, part in local.parts : path => part if part.above == "/" }
  rest_api_id = aws_api_gateway_rest_api.this[0].id
  parent_id   = aws_api_gateway_rest_api.this[0].root_resource_id
  path_part   = each.value.part
}

resource "aws_api_gateway_resource" "second" {
  for_each    = { for path, part in local.parts : path => part if part.above == "/v1" }
  rest_api_id = aws_api_gateway_rest_api.this[0].id
  parent_id   = aws_api_gateway_resource.first[each.value.above].id
  path_part   = each.value.part
}

resource "aws_api_gateway_resource" "third" {
  for_each    = { for path, part in local.parts : path => part if part.above == "/v1/messages" }
  rest_api_id = aws_api_gateway_rest_api.this[0].id
  parent_id   = aws_api_gateway_resource.second[each.value.above].id
  path_part   = each.value.part
}

resource "aws_api_gateway_authorizer" "this" {
  for_each                         = local.rest_authorizers
  rest_api_id                      = aws_api_gateway_rest_api.this[0].id
  name                             = local.rest_api
  type                             = each.value.type
  identity_source                  = each.value.identity_source
  provider_arns                    = each.value.provider_arns
  authorizer_uri                   = each.value.function == null ? null : "${local.invocations}/${each.value.function}/invocations"
  authorizer_result_ttl_in_seconds = each.value.ttl
}

# The authorizers of this API may call the function, and nothing else of API Gateway.
resource "aws_lambda_permission" "rest" {
  for_each      = { for name, authorizer in local.rest_authorizers : name => authorizer.function if authorizer.function != null }
  action        = "lambda:InvokeFunction"
  function_name = each.value
  principal     = "apigateway.amazonaws.com"
  source_arn    = "${aws_api_gateway_rest_api.this[0].execution_arn}/authorizers/*"
}

resource "aws_api_gateway_request_validator" "this" {
  count                       = local.has_rest ? 1 : 0
  rest_api_id                 = aws_api_gateway_rest_api.this[0].id
  name                        = "all"
  validate_request_body       = true
  validate_request_parameters = true
}

resource "aws_api_gateway_model" "this" {
  for_each     = local.schemas
  rest_api_id  = aws_api_gateway_rest_api.this[0].id
  name         = each.key
  content_type = "application/json"
  schema       = each.value
}

resource "aws_api_gateway_method" "this" {
  for_each             = local.routes
  rest_api_id          = aws_api_gateway_rest_api.this[0].id
  resource_id          = local.resources[each.value.path]
  http_method          = each.value.method
  authorization        = local.gates[each.key].type
  authorizer_id        = contains(["CUSTOM", "COGNITO_USER_POOLS"], local.gates[each.key].type) ? aws_api_gateway_authorizer.this["this"].id : null
  authorization_scopes = length(local.gates[each.key].scopes) == 0 ? null : local.gates[each.key].scopes
  api_key_required     = local.gates[each.key].key
  request_validator_id = aws_api_gateway_request_validator.this[0].id
  request_models       = each.value.model == null ? null : { "application/json" = aws_api_gateway_model.this[each.value.model].name }
  request_parameters   = each.value.parameter == null ? null : { "method.request.querystring.${each.value.parameter}" = true }
}

resource "aws_api_gateway_integration" "this" {
  for_each                = local.routes
  rest_api_id             = aws_api_gateway_rest_api.this[0].id
  resource_id             = local.resources[each.value.path]
  http_method             = aws_api_gateway_method.this[each.key].http_method
  type                    = "AWS"
  uri                     = "arn:${local.partition}:apigateway:${local.region}:sqs:path/${local.account}/${local.queue}"
  integration_http_method = "POST"
  credentials             = aws_iam_role.api[0].arn
  passthrough_behavior    = "NEVER"
  request_parameters = {
    "integration.request.header.Content-Type" = "'application/x-amz-json-1.0'"
    "integration.request.header.X-Amz-Target" = "'AmazonSQS.${each.value.action}'"
  }
  request_templates = { for type in each.value.types : type => local.template[each.value.template] }
}

resource "aws_api_gateway_method_response" "this" {
  for_each    = local.answers
  rest_api_id = aws_api_gateway_rest_api.this[0].id
  resource_id = local.resources[local.routes[each.value.route].path]
  http_method = aws_api_gateway_method.this[each.value.route].http_method
  status_code = each.value.status
  response_parameters = {
    for header in keys(local.origin) : "method.response.header.${header}" => true
  }
}

resource "aws_api_gateway_integration_response" "this" {
  for_each           = local.answers
  rest_api_id        = aws_api_gateway_rest_api.this[0].id
  resource_id        = local.resources[local.routes[each.value.route].path]
  http_method        = aws_api_gateway_integration.this[each.value.route].http_method
  status_code        = aws_api_gateway_method_response.this[each.key].status_code
  selection_pattern  = each.value.pattern
  response_templates = { "application/json" = local.template[each.value.template] }
  response_parameters = {
    for header, value in local.origin : "method.response.header.${header}" => value
  }
}

resource "aws_api_gateway_gateway_response" "this" {
  for_each            = local.gateway_headers
  rest_api_id         = aws_api_gateway_rest_api.this[0].id
  response_type       = each.key
  response_templates  = { "application/json" = local.gateway_answer }
  response_parameters = { for header, value in each.value : "gatewayresponse.header.${header}" => value }
}

# What browsers ask before a request, answered without anyone being known yet.
resource "aws_api_gateway_method" "preflight" {
  # checkov:skip=CKV2_AWS_53: nothing of it is read
  for_each         = local.preflights
  rest_api_id      = aws_api_gateway_rest_api.this[0].id
  resource_id      = local.resources[local.routes[each.key].path]
  http_method      = "OPTIONS"
  authorization    = "NONE"
  api_key_required = false
}

resource "aws_api_gateway_integration" "preflight" {
  for_each          = local.preflights
  rest_api_id       = aws_api_gateway_rest_api.this[0].id
  resource_id       = local.resources[local.routes[each.key].path]
  http_method       = aws_api_gateway_method.preflight[each.key].http_method
  type              = "MOCK"
  request_templates = { "application/json" = "{ statusCode: 200 }" }
}

resource "aws_api_gateway_method_response" "preflight" {
  for_each            = local.preflights
  rest_api_id         = aws_api_gateway_rest_api.this[0].id
  resource_id         = local.resources[local.routes[each.key].path]
  http_method         = aws_api_gateway_method.preflight[each.key].http_method
  status_code         = "204"
  response_parameters = { for header in keys(each.value) : "method.response.header.${header}" => true }
}

resource "aws_api_gateway_integration_response" "preflight" {
  for_each            = local.preflights
  rest_api_id         = aws_api_gateway_rest_api.this[0].id
  resource_id         = local.resources[local.routes[each.key].path]
  http_method         = aws_api_gateway_integration.preflight[each.key].http_method
  status_code         = aws_api_gateway_method_response.preflight[each.key].status_code
  response_parameters = { for header, value in each.value : "method.response.header.${header}" => value }
}

resource "aws_api_gateway_deployment" "this" {
  count       = local.has_rest ? 1 : 0
  rest_api_id = aws_api_gateway_rest_api.this[0].id
  # Whatever a deployment is a picture of: a change of it makes a new one.
  triggers = {
    of = sha256(jsonencode([local.routes, local.answers, local.schemas, local.template, local.gateway_answer, local.gateway_headers, local.queue, local.gates, local.rest_authorizers, local.preflights, var.rest]))
  }
  lifecycle {
    create_before_destroy = true
  }
  depends_on = [
    aws_api_gateway_method.this,
    aws_api_gateway_integration.this,
    aws_api_gateway_method_response.this,
    aws_api_gateway_integration_response.this,
    aws_api_gateway_integration_response.preflight,
    aws_api_gateway_gateway_response.this,
    aws_api_gateway_model.this,
  ]
}

resource "aws_api_gateway_stage" "this" {
  count                = local.has_rest ? 1 : 0
  rest_api_id          = aws_api_gateway_rest_api.this[0].id
  deployment_id        = aws_api_gateway_deployment.this[0].id
  stage_name           = var.stage
  xray_tracing_enabled = true
  variables            = { queueUrl = local.queue_url }
  tags                 = var.tags
  access_log_settings {
    destination_arn = aws_cloudwatch_log_group.api[0].arn
    format          = local.log_formats.rest
  }
  depends_on = [aws_api_gateway_account.this]
}

resource "aws_api_gateway_method_settings" "this" {
  for_each    = local.has_rest ? local.rest_limits : {}
  rest_api_id = aws_api_gateway_rest_api.this[0].id
  stage_name  = aws_api_gateway_stage.this[0].stage_name
  method_path = each.key
  settings {
    metrics_enabled        = true
    throttling_burst_limit = each.value
    throttling_rate_limit  = each.value
  }
}

resource "aws_api_gateway_api_key" "this" {
  count       = local.has_rest && local.needs_key ? 1 : 0
  name        = local.rest_api
  description = "${local.prefix}: the first client"
  enabled     = true
  tags        = var.tags
}

resource "aws_api_gateway_usage_plan" "this" {
  count = local.has_rest && local.needs_key ? 1 : 0
  name  = local.rest_api
  tags  = var.tags
  api_stages {
    api_id = aws_api_gateway_rest_api.this[0].id
    stage  = aws_api_gateway_stage.this[0].stage_name
  }
  throttle_settings {
    burst_limit = var.api_throttling
    rate_limit  = var.api_throttling
  }
}

resource "aws_api_gateway_usage_plan_key" "this" {
  count         = local.has_rest && local.needs_key ? 1 : 0
  key_id        = aws_api_gateway_api_key.this[0].id
  key_type      = "API_KEY"
  usage_plan_id = aws_api_gateway_usage_plan.this[0].id
}

# A name of your own, in place of API Gateway's address, which answers no more; with a trust store by mutual TLS.
resource "aws_api_gateway_domain_name" "this" {
  for_each                 = { for domain in local.has_rest ? var.rest.domain[*] : [] : domain.name => domain }
  domain_name              = each.key
  regional_certificate_arn = each.value.certificate
  security_policy          = "TLS_1_2"
  tags                     = var.tags
  endpoint_configuration {
    types = ["REGIONAL"]
  }
  dynamic "mutual_tls_authentication" {
    for_each = each.value.trust_store[*]
    content {
      truststore_uri = mutual_tls_authentication.value
    }
  }
}

resource "aws_api_gateway_base_path_mapping" "this" {
  for_each    = aws_api_gateway_domain_name.this
  domain_name = each.value.domain_name
  api_id      = aws_api_gateway_rest_api.this[0].id
  stage_name  = aws_api_gateway_stage.this[0].stage_name
}

# API Gateway writes all access logs of the account and region by one role.
resource "aws_iam_role" "api_logs" {
  count              = local.sets_log_role ? 1 : 0
  name_prefix        = "${substr(local.prefix, 0, 30)}-logs-"
  assume_role_policy = data.aws_iam_policy_document.api_trust.json
  tags               = var.tags
}

resource "aws_iam_role_policy_attachment" "api_logs" {
  count      = local.sets_log_role ? 1 : 0
  role       = aws_iam_role.api_logs[0].name
  policy_arn = "arn:${local.partition}:iam::aws:policy/service-role/AmazonAPIGatewayPushToCloudWatchLogs"
}

resource "aws_api_gateway_account" "this" {
  count               = local.sets_log_role ? 1 : 0
  cloudwatch_role_arn = aws_iam_role.api_logs[0].arn
  depends_on          = [aws_iam_role_policy_attachment.api_logs]
}

resource "aws_wafv2_web_acl_association" "this" {
  count        = local.has_rest && var.waf_acl_arn != null ? 1 : 0
  resource_arn = aws_api_gateway_stage.this[0].arn
  web_acl_arn  = var.waf_acl_arn
}
