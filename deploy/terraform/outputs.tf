output "rest_api_url" {
  description = "The REST API; null, if there is none."
  value       = one(concat([for name in keys(aws_api_gateway_domain_name.this) : "https://${name}/"], [for stage in aws_api_gateway_stage.this : stage.invoke_url if var.rest.domain == null]))
}

output "rest_api_key_id" {
  description = "The id of its key; `aws apigateway get-api-key --include-value` has the key."
  value       = one(aws_api_gateway_api_key.this[*].id)
}

output "rest_record_target" {
  description = "Where the record of the REST API's own name must point."
  value       = one([for domain in aws_api_gateway_domain_name.this : domain.regional_domain_name])
}

output "http_api_url" {
  description = "The HTTP API; null, if there is none."
  value       = one(concat([for name in keys(aws_apigatewayv2_domain_name.this) : "https://${name}"], [for api in aws_apigatewayv2_api.this : api.api_endpoint if var.http.domain == null]))
}

output "http_record_target" {
  description = "Where the record of the HTTP API's own name must point."
  value       = one([for domain in aws_apigatewayv2_domain_name.this : domain.domain_name_configuration[0].target_domain_name])
}

output "queue_url" {
  description = "The queue."
  value       = local.queue_url
}

output "dlq_url" {
  description = "Its DLQ; null, if none is known."
  value       = one(local.dlq_urls)
}

output "task_role_arn" {
  description = "The role of the tasks, for policies of your own."
  value       = aws_iam_role.task.arn
}
