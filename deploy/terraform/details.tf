# What no single value can say: the fields of DETAILS, by their names in Terraform's spelling. README.md has the table.
variable "containers" {
  type = map(object({
    environment = optional(map(string), {})
    secrets     = optional(map(string), {})
    command     = optional(list(string))
    user        = optional(string)
    health_check = optional(object({
      command      = list(string)
      interval     = optional(number, 30)
      timeout      = optional(number, 5)
      retries      = optional(number, 3)
      start_period = optional(number, 0)
    }))
    ulimits = optional(map(number))
    file_systems = optional(list(object({
      id             = string
      path           = string
      security_group = string
      access_point   = optional(string)
      read_only      = optional(bool, false)
    })), [])
  }))
  default     = {}
  description = "The containers worker and handler: variables, secrets (ARNs of Secrets Manager or SSM), command, user, health check, limits and file systems of EFS. The worker waits until a handler with a health check is healthy."
  validation {
    condition     = length(setsubtract(keys(var.containers), ["worker", "handler"])) == 0
    error_message = "containers: worker and handler."
  }
}

variable "task" {
  type = object({
    statements = optional(list(object({
      actions    = list(string)
      resources  = list(string)
      conditions = optional(map(map(list(string))), {})
    })), [])
    managed_policies  = optional(list(string), [])
    secret_keys       = optional(list(string), [])
    ephemeral_storage = optional(number)
    execute_command   = optional(bool, false)
    log_buffer        = optional(number)
    log_router = optional(object({
      image   = string
      options = map(string)
    }))
  })
  default     = {}
  description = "What else the task role may do, keys of secrets, GiB of disk, a shell, MiB of log buffer, and a router of logs."
  validation {
    condition     = alltrue([for one in var.task.statements : alltrue([for action in one.actions : can(regex("^[a-z0-9-]+:[A-Za-z]+$", action))])])
    error_message = "task: an action of a statement has no wildcard."
  }
  validation {
    condition     = var.task.ephemeral_storage == null ? true : var.task.ephemeral_storage >= 21 && var.task.ephemeral_storage <= 200
    error_message = "task: ephemeral_storage is 21 to 200 GiB."
  }
}

variable "existing" {
  type = object({
    queue        = optional(string)
    dlq          = optional(string)
    key          = optional(string)
    topic        = optional(string)
    alarm_topic  = optional(string)
    cluster      = optional(string)
    api_log_role = optional(bool, false)
  })
  default     = {}
  description = "What is there already, by its ARN, the cluster by its name; api_log_role says that the account has the role by which API Gateway writes logs."
  validation {
    condition     = alltrue([for arn in [var.existing.queue, var.existing.dlq, var.existing.key, var.existing.topic, var.existing.alarm_topic] : arn == null ? true : startswith(arn, "arn:")])
    error_message = "existing: ARNs, and the name of a cluster."
  }
  validation {
    condition     = var.existing.dlq == null || var.existing.queue != null
    error_message = "existing: dlq goes with queue."
  }
}

variable "endpoints" {
  type        = list(string)
  default     = []
  description = "More endpoints of the private network, such as secretsmanager; dynamodb becomes a gateway."
}

variable "endpoint_policies" {
  type        = map(string)
  default     = {}
  description = "The policies of endpoints as JSON, by the service; one without lets all through."
}

variable "public_ip" {
  type        = bool
  default     = false
  description = "Whether tasks get an address each with network = \"existing\", as they must in the subnets of a default VPC."
}

variable "subscriptions" {
  type = list(object({
    topic               = string
    filter_policy       = optional(string)
    filter_policy_scope = optional(string)
    raw                 = optional(bool)
  }))
  default     = []
  description = "Topics that send to the queue made here; filter_policy is JSON."
}

variable "pull_through" {
  type        = bool
  default     = false
  description = "Whether images come by a pull-through cache of ECR."
}

variable "queues" {
  type = list(object({
    name        = string
    queue       = string
    dlq         = optional(string)
    key         = optional(string)
    handler     = optional(map(string))
    concurrency = optional(number)
    batch_size  = optional(number)
    visibility  = optional(number)
    timeout     = optional(number)
  }))
  default     = []
  description = "Up to three more queues, which are there already, for the same workers, by their ARNs; handler is a map as the variable handler. What one does not say is as the variables say."
  validation {
    condition     = length(var.queues) <= 3
    error_message = "queues: a service takes four queues in all."
  }
  validation {
    condition     = alltrue([for one in var.queues : can(regex("^[a-z][a-z0-9_]{0,39}$", one.name)) && one.name != "jobs"]) && length(distinct(var.queues[*].name)) == length(var.queues)
    error_message = "queues: names are lower-case letters, digits and underscores, a letter first, each once; the first queue has the name jobs."
  }
  validation {
    condition     = alltrue([for arn in flatten([for one in var.queues : [one.queue, one.dlq, one.key]]) : arn == null ? true : startswith(arn, "arn:")])
    error_message = "queues: queue, dlq and key are ARNs."
  }
  validation {
    condition = alltrue([for one in var.queues : alltrue([
      one.concurrency == null ? true : one.concurrency >= 1 && one.concurrency <= 100000,
      one.batch_size == null ? true : one.batch_size >= 1 && one.batch_size <= 10,
      one.visibility == null ? true : one.visibility >= 10 && one.visibility <= 43200,
      one.timeout == null ? true : one.timeout >= 1 && one.timeout <= 43200,
    ])])
    error_message = "queues: concurrency 1 to 100000, batch_size 1 to 10, visibility 10 to 43200 seconds, timeout 1 to 43200 seconds."
  }
}

variable "tags" {
  type        = map(string)
  default     = {}
  description = "Tags on everything that takes some."
}
