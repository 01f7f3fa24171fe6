# Which APIs are in front of the queue, and what each is told.
variable "apis" {
  type        = string
  default     = "both"
  description = "Which APIs are in front of the queue."
  validation {
    condition     = contains(["both", "rest", "http", "none"], var.apis)
    error_message = "apis: both, rest, http or none."
  }
}

variable "rest_authorization" {
  type        = string
  default     = "AWS_IAM"
  description = "Who may call the REST API: those whose signed requests IAM allows, those with a key, those whom rest.authorizer lets in, or everyone."
  validation {
    condition     = contains(["AWS_IAM", "KEY", "COGNITO", "LAMBDA", "NONE"], var.rest_authorization)
    error_message = "rest_authorization: AWS_IAM, KEY, COGNITO, LAMBDA or NONE."
  }
}

variable "http_authorization" {
  type        = string
  default     = "AWS_IAM"
  description = "Who may call the HTTP API; JWT and LAMBDA by http.authorizer."
  validation {
    condition     = contains(["AWS_IAM", "JWT", "LAMBDA", "NONE"], var.http_authorization)
    error_message = "http_authorization: AWS_IAM, JWT, LAMBDA or NONE."
  }
}

variable "message_schema" {
  type        = string
  default     = null
  description = "What a message must look like: a JSON schema of draft 4; then there is no text/plain, no GET and no HTTP API."
  validation {
    condition     = var.message_schema == null ? true : can(keys(jsondecode(var.message_schema)))
    error_message = "message_schema: a JSON schema, an object."
  }
}

variable "rest" {
  type = object({
    authorizer = optional(object({
      user_pools = optional(list(string), [])
      scopes     = optional(list(string), [])
      function   = optional(string)
      header     = optional(string, "Authorization")
      cache      = optional(number, 300)
    }))
    cors             = optional(object({ origins = list(string), max_age = optional(number, 3600) }))
    domain           = optional(object({ name = string, certificate = string, trust_store = optional(string) }))
    throttling       = optional(map(number), {})
    key              = optional(bool)
    open_queue_route = optional(bool, false)
    compression      = optional(number)
    policy           = optional(string)
  })
  default     = {}
  description = "The REST API: authorizer, cors, domain, limits of single routes, whether a key is asked for, whether everyone may call GET /queue, bytes from which on answers are compressed, a resource policy as JSON."
}

variable "http" {
  type = object({
    authorizer = optional(object({
      issuer   = optional(string)
      audience = optional(list(string), [])
      scopes   = optional(list(string), [])
      function = optional(string)
      header   = optional(string, "Authorization")
      cache    = optional(number, 300)
    }))
    cors       = optional(object({ origins = list(string), max_age = optional(number, 3600) }))
    domain     = optional(object({ name = string, certificate = string, trust_store = optional(string) }))
    throttling = optional(map(number), {})
  })
  default     = {}
  description = "The HTTP API: authorizer, cors, domain and limits of single routes."
}
