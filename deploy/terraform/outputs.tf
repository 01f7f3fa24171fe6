output "rest_api_url" {
  description = "The REST API; requests are signed by IAM and have the key."
  value       = aws_api_gateway_stage.this.invoke_url
}

output "rest_api_key_id" {
  description = "The id of its key; `aws apigateway get-api-key --include-value` has the key."
  value       = aws_api_gateway_api_key.this.id
}

output "http_api_url" {
  description = "The HTTP API."
  value       = aws_apigatewayv2_api.this.api_endpoint
}

output "queue_url" {
  description = "The queue."
  value       = aws_sqs_queue.this.id
}

output "dlq_url" {
  description = "Its DLQ."
  value       = aws_sqs_queue.dlq.id
}
