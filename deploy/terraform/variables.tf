# Every variable: those of docs/deploy-settings.md, in lower case.
variable "project_name" {
  type        = string
  description = "The first part of every name."
  validation {
    condition     = can(regex("^[a-z][a-z0-9-]{0,23}$", var.project_name))
    error_message = "project_name: 1 to 24 lower-case letters, digits and hyphens, a letter first."
  }
}

variable "stage" {
  type        = string
  default     = "dev"
  description = "The second part of every name."
  validation {
    condition     = can(regex("^[a-z][a-z0-9-]{0,11}$", var.stage))
    error_message = "stage: 1 to 12 lower-case letters, digits and hyphens, a letter first."
  }
}

variable "image" {
  type        = string
  description = "The image of the worker."
  validation {
    condition     = can(regex("^[A-Za-z0-9][A-Za-z0-9._:/@-]{0,499}$", var.image))
    error_message = "image: the name of a container image."
  }
}

variable "handler_image" {
  type        = string
  default     = null
  description = "The image of an HTTP handler that runs beside the worker; its port is handler_port."
}

variable "handler_port" {
  type        = number
  default     = 8080
  description = "The port of the handler beside the worker."
  validation {
    condition     = var.handler_port >= 1 && var.handler_port <= 65535
    error_message = "handler_port: 1 to 65535."
  }
}

variable "handler" {
  type        = map(string)
  default     = null
  description = "The settings of the handler, such as { kind = \"exec\", command = \"/app/job,--fast\" }, when there is no handler_image; the items of a list have commas between them."
}

variable "api_throttling" {
  type        = number
  default     = 100
  description = "Requests a second that each API takes."
  validation {
    condition     = var.api_throttling >= 1 && var.api_throttling <= 10000
    error_message = "api_throttling: 1 to 10000."
  }
}

variable "queue_retention" {
  type        = number
  default     = 4
  description = "Days that the queue keeps a message; the DLQ keeps it for 14."
  validation {
    condition     = contains(range(1, 14), var.queue_retention)
    error_message = "queue_retention: 1 to 13 days, fewer than the DLQ's 14, so that a message outlives its move there."
  }
}

variable "dlq_retries" {
  type        = number
  default     = 5
  description = "Receives of a message before it moves to the DLQ."
  validation {
    condition     = var.dlq_retries >= 1 && var.dlq_retries <= 1000
    error_message = "dlq_retries: 1 to 1000."
  }
}

variable "visibility" {
  type        = number
  default     = 30
  description = "Seconds that a received message stays hidden; the worker extends it."
  validation {
    condition     = var.visibility >= 10 && var.visibility <= 43200
    error_message = "visibility: 10 to 43200 seconds."
  }
}

variable "data" {
  type        = string
  default     = "keep"
  description = "What becomes of the queue, its DLQ and the key when the module is destroyed."
  validation {
    condition     = contains(["keep", "delete"], var.data)
    error_message = "data: keep or delete."
  }
}

variable "fifo" {
  type        = bool
  default     = false
  description = "Whether the queue is FIFO, with high throughput by group."
}

variable "batch_size" {
  type        = number
  default     = 1
  description = "The most messages that a call of the handler gets."
  validation {
    condition     = var.batch_size >= 1 && var.batch_size <= 10
    error_message = "batch_size: 1 to 10."
  }
}

variable "concurrency" {
  type        = number
  default     = 16
  description = "Calls of the handler at once in each task."
  validation {
    condition     = var.concurrency >= 1 && var.concurrency <= 100000
    error_message = "concurrency: 1 to 100000."
  }
}

variable "task_timeout" {
  type        = number
  default     = 900
  description = "Seconds that a call of the handler may take."
  validation {
    condition     = var.task_timeout >= 1 && var.task_timeout <= 43200
    error_message = "task_timeout: 1 to 43200 seconds."
  }
}

variable "min_tasks" {
  type        = number
  default     = 1
  description = "The fewest tasks; 0 costs nothing while the queue is empty."
  validation {
    condition     = var.min_tasks >= 0 && var.min_tasks <= 1000
    error_message = "min_tasks: 0 to 1000."
  }
}

variable "max_tasks" {
  type        = number
  default     = 10
  description = "The most tasks."
  validation {
    condition     = var.max_tasks >= 1 && var.max_tasks <= 1000
    error_message = "max_tasks: 1 to 1000."
  }
}

variable "scale_out" {
  type        = string
  default     = "alarms"
  description = "What adds tasks: alarms alone, or the workers too, which see a burst half a minute earlier and may then change the number of their own tasks."
  validation {
    condition     = contains(["alarms", "workers"], var.scale_out)
    error_message = "scale_out: alarms or workers."
  }
}

variable "cpu" {
  type        = number
  default     = 512
  description = "CPU units of a task; 1024 are a vCPU."
  validation {
    condition     = contains([256, 512, 1024, 2048, 4096, 8192, 16384], var.cpu)
    error_message = "cpu: 256, 512, 1024, 2048, 4096, 8192 or 16384."
  }
}

variable "memory" {
  type        = number
  default     = 1024
  description = "MiB of memory of a task; Fargate takes certain pairs with cpu."
  validation {
    condition     = var.memory >= 512 && var.memory <= 122880
    error_message = "memory: 512 to 122880 MiB."
  }
}

variable "architecture" {
  type        = string
  default     = "X86_64"
  description = "What the images are built for."
  validation {
    condition     = contains(["X86_64", "ARM64"], var.architecture)
    error_message = "architecture: X86_64 or ARM64."
  }
}

variable "spot_share" {
  type        = number
  default     = 0
  description = "Percent of the tasks that run on Fargate Spot."
  validation {
    condition     = contains([0, 25, 50, 75, 100], var.spot_share)
    error_message = "spot_share: 0, 25, 50, 75 or 100."
  }
}

variable "ecs_role" {
  type        = string
  default     = "there"
  description = "Whether the account has the role by which ECS acts in it, or the module makes it; where it is there already, making it fails."
  validation {
    condition     = contains(["there", "make"], var.ecs_role)
    error_message = "ecs_role: there or make."
  }
}

variable "backlog_target" {
  type        = number
  default     = 60
  description = "Seconds in which the tasks are to start all that waits."
  validation {
    condition     = var.backlog_target >= 10 && var.backlog_target <= 86400
    error_message = "backlog_target: 10 to 86400 seconds."
  }
}

variable "age_limit" {
  type        = number
  default     = 3600
  description = "Seconds of the oldest message's age that raise the alarm."
  validation {
    condition     = var.age_limit >= 60 && var.age_limit <= 1209600
    error_message = "age_limit: 60 to 1209600 seconds."
  }
}

variable "stall_limit" {
  type        = number
  default     = 15
  description = "Minutes without a receive that raise the alarm."
  validation {
    condition     = var.stall_limit >= 1 && var.stall_limit <= 1440
    error_message = "stall_limit: 1 to 1440 minutes."
  }
}

variable "log_retention" {
  type        = number
  default     = 30
  description = "Days that logs are kept."
  validation {
    condition     = contains([1, 3, 7, 14, 30, 90, 365], var.log_retention)
    error_message = "log_retention: 1, 3, 7, 14, 30, 90 or 365 days."
  }
}

variable "log_filter" {
  type        = string
  default     = "info"
  description = "What the worker logs."
  validation {
    condition     = can(regex("^[A-Za-z0-9_=,:-]{1,200}$", var.log_filter))
    error_message = "log_filter: a filter such as info,longshore=debug."
  }
}

variable "network" {
  type        = string
  default     = "private"
  description = "Where tasks run: a new VPC without internet, a new VPC with public subnets, or your VPC."
  validation {
    condition     = contains(["private", "public", "existing"], var.network)
    error_message = "network: private, public or existing."
  }
}

variable "vpc_id" {
  type        = string
  default     = null
  description = "Your VPC, with network = \"existing\"."
}

variable "subnet_ids" {
  type        = list(string)
  default     = []
  description = "Its subnets, from which AWS can be reached."
}

variable "security_group_ids" {
  type        = list(string)
  default     = []
  description = "Its security groups for the tasks; absent, a new one that allows HTTPS out and nothing else."
}

variable "notify" {
  type        = list(string)
  default     = ["reject"]
  description = "The outcomes published to the topic."
  validation {
    condition     = alltrue([for one in var.notify : contains(["done", "failure", "reject"], one)])
    error_message = "notify: some of done, failure and reject, or none."
  }
}

variable "alarm_email" {
  type        = string
  default     = null
  description = "Who gets the alarms by e-mail."
}

variable "waf_acl_arn" {
  type        = string
  default     = null
  description = "The web ACL in front of the REST API."
}

variable "collector_image" {
  type        = string
  default     = null
  description = "The image of the AWS Distro for OpenTelemetry, which takes traces to X-Ray."
}
