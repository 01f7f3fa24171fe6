# The REST API: validated requests, single and in batches, with mapped answers, a key and a usage plan.
locals {
  resources = {
    "/queue"             = aws_api_gateway_resource.queue.id
    "/v1/send"           = aws_api_gateway_resource.send.id
    "/v1/messages"       = aws_api_gateway_resource.messages.id
    "/v1/messages/batch" = aws_api_gateway_resource.batch.id
  }
}

resource "aws_api_gateway_rest_api" "this" {
  name = local.rest_api
  endpoint_configuration {
    types = ["REGIONAL"]
  }
  lifecycle {
    create_before_destroy = true
  }
}

resource "aws_api_gateway_resource" "queue" {
  rest_api_id = aws_api_gateway_rest_api.this.id
  parent_id   = aws_api_gateway_rest_api.this.root_resource_id
  path_part   = "queue"
}

resource "aws_api_gateway_resource" "v1" {
  rest_api_id = aws_api_gateway_rest_api.this.id
  parent_id   = aws_api_gateway_rest_api.this.root_resource_id
  path_part   = "v1"
}

resource "aws_api_gateway_resource" "send" {
  rest_api_id = aws_api_gateway_rest_api.this.id
  parent_id   = aws_api_gateway_resource.v1.id
  path_part   = "send"
}

resource "aws_api_gateway_resource" "messages" {
  rest_api_id = aws_api_gateway_rest_api.this.id
  parent_id   = aws_api_gateway_resource.v1.id
  path_part   = "messages"
}

resource "aws_api_gateway_resource" "batch" {
  rest_api_id = aws_api_gateway_rest_api.this.id
  parent_id   = aws_api_gateway_resource.messages.id
  path_part   = "batch"
}

resource "aws_api_gateway_request_validator" "this" {
  rest_api_id                 = aws_api_gateway_rest_api.this.id
  name                        = "all"
  validate_request_body       = true
  validate_request_parameters = true
}

resource "aws_api_gateway_model" "this" {
  for_each     = local.schemas
  rest_api_id  = aws_api_gateway_rest_api.this.id
  name         = each.key
  content_type = "application/json"
  schema       = each.value
}

resource "aws_api_gateway_method" "this" {
  for_each             = local.routes
  rest_api_id          = aws_api_gateway_rest_api.this.id
  resource_id          = local.resources[each.value.path]
  http_method          = each.value.method
  authorization        = "AWS_IAM"
  api_key_required     = true
  request_validator_id = aws_api_gateway_request_validator.this.id
  request_models       = each.value.model == null ? null : { "application/json" = aws_api_gateway_model.this[each.value.model].name }
  request_parameters   = each.value.parameter == null ? null : { "method.request.querystring.${each.value.parameter}" = true }
}

resource "aws_api_gateway_integration" "this" {
  for_each                = local.routes
  rest_api_id             = aws_api_gateway_rest_api.this.id
  resource_id             = local.resources[each.value.path]
  http_method             = aws_api_gateway_method.this[each.key].http_method
  type                    = "AWS"
  uri                     = "arn:${local.partition}:apigateway:${local.region}:sqs:path/${local.account}/${local.queue}"
  integration_http_method = "POST"
  credentials             = aws_iam_role.api.arn
  passthrough_behavior    = "NEVER"
  request_parameters = {
    "integration.request.header.Content-Type" = "'application/x-amz-json-1.0'"
    "integration.request.header.X-Amz-Target" = "'AmazonSQS.${each.value.action}'"
  }
  request_templates = { for type in each.value.types : type => local.template[each.value.template] }
}

resource "aws_api_gateway_method_response" "this" {
  for_each    = local.answers
  rest_api_id = aws_api_gateway_rest_api.this.id
  resource_id = local.resources[local.routes[each.value.route].path]
  http_method = aws_api_gateway_method.this[each.value.route].http_method
  status_code = each.value.status
}

resource "aws_api_gateway_integration_response" "this" {
  for_each           = local.answers
  rest_api_id        = aws_api_gateway_rest_api.this.id
  resource_id        = local.resources[local.routes[each.value.route].path]
  http_method        = aws_api_gateway_integration.this[each.value.route].http_method
  status_code        = aws_api_gateway_method_response.this[each.key].status_code
  selection_pattern  = each.value.pattern
  response_templates = { "application/json" = local.template[each.value.template] }
}

resource "aws_api_gateway_gateway_response" "this" {
  for_each            = { DEFAULT_4XX = null, DEFAULT_5XX = "'1'", THROTTLED = "'1'" }
  rest_api_id         = aws_api_gateway_rest_api.this.id
  response_type       = each.key
  response_templates  = { "application/json" = local.gateway_answer }
  response_parameters = each.value == null ? null : { "gatewayresponse.header.Retry-After" = each.value }
}

resource "aws_api_gateway_deployment" "this" {
  rest_api_id = aws_api_gateway_rest_api.this.id
  # Whatever a deployment is a picture of: a change of it makes a new one.
  triggers = {
    of = sha256(jsonencode([local.routes, local.answers, local.schemas, local.template, local.gateway_answer, local.queue]))
  }
  lifecycle {
    create_before_destroy = true
  }
  depends_on = [
    aws_api_gateway_method.this,
    aws_api_gateway_integration.this,
    aws_api_gateway_method_response.this,
    aws_api_gateway_integration_response.this,
    aws_api_gateway_gateway_response.this,
    aws_api_gateway_model.this,
  ]
}

resource "aws_api_gateway_stage" "this" {
  rest_api_id          = aws_api_gateway_rest_api.this.id
  deployment_id        = aws_api_gateway_deployment.this.id
  stage_name           = var.stage
  xray_tracing_enabled = true
  variables            = { queueUrl = aws_sqs_queue.this.id }
  access_log_settings {
    destination_arn = aws_cloudwatch_log_group.api.arn
    format = jsonencode({
      requestId         = "$context.extendedRequestId"
      time              = "$context.requestTime"
      ip                = "$context.identity.sourceIp"
      principal         = "$context.identity.userArn"
      apiKeyId          = "$context.identity.apiKeyId"
      method            = "$context.httpMethod"
      route             = "$context.resourcePath"
      status            = "$context.status"
      responseBytes     = "$context.responseLength"
      latencyMs         = "$context.responseLatency"
      integrationStatus = "$context.integrationStatus"
    })
  }
  depends_on = [aws_api_gateway_account.this]
}

resource "aws_api_gateway_method_settings" "this" {
  rest_api_id = aws_api_gateway_rest_api.this.id
  stage_name  = aws_api_gateway_stage.this.stage_name
  method_path = "*/*"
  settings {
    metrics_enabled        = true
    throttling_burst_limit = var.api_throttling
    throttling_rate_limit  = var.api_throttling
  }
}

resource "aws_api_gateway_api_key" "this" {
  name        = local.rest_api
  description = "${local.prefix}: the first client"
  enabled     = true
}

resource "aws_api_gateway_usage_plan" "this" {
  name = local.rest_api
  api_stages {
    api_id = aws_api_gateway_rest_api.this.id
    stage  = aws_api_gateway_stage.this.stage_name
  }
  throttle_settings {
    burst_limit = var.api_throttling
    rate_limit  = var.api_throttling
  }
}

resource "aws_api_gateway_usage_plan_key" "this" {
  key_id        = aws_api_gateway_api_key.this.id
  key_type      = "API_KEY"
  usage_plan_id = aws_api_gateway_usage_plan.this.id
}

# API Gateway writes all access logs of the account and region by one role.
resource "aws_iam_role" "api_logs" {
  count              = var.sets_log_role ? 1 : 0
  name_prefix        = "${substr(local.prefix, 0, 30)}-logs-"
  assume_role_policy = data.aws_iam_policy_document.api_trust.json
}

resource "aws_iam_role_policy_attachment" "api_logs" {
  count      = var.sets_log_role ? 1 : 0
  role       = aws_iam_role.api_logs[0].name
  policy_arn = "arn:${local.partition}:iam::aws:policy/service-role/AmazonAPIGatewayPushToCloudWatchLogs"
}

resource "aws_api_gateway_account" "this" {
  count               = var.sets_log_role ? 1 : 0
  cloudwatch_role_arn = aws_iam_role.api_logs[0].arn
  depends_on          = [aws_iam_role_policy_attachment.api_logs]
}

resource "aws_wafv2_web_acl_association" "this" {
  count        = var.waf_acl_arn == null ? 0 : 1
  resource_arn = aws_api_gateway_stage.this.arn
  web_acl_arn  = var.waf_acl_arn
}
