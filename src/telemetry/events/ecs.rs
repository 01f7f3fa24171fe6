//! Events of the worker as a task of Amazon ECS.

use std::error::Error;

use super::events;

events! {
    ECS = "Amazon ECS";

    /// The settings lack the time that ECS waits before it kills the container.
    warn StopTimeoutUnknown: "ecs.stop_timeout is not set, and ecs does not pass it to containers, hint: set it to the task definition's stopTimeout, and that to 120" {}

    /// An address that ECS sets for its containers is not an HTTP URL.
    warn AddressUnusable<'a>: "not an http url, so it is not used" {
        /// The environment variable with the address.
        variable: &'a str,
    }

    /// The task is protected from scale-in.
    info TaskProtected: "long work runs, the task is protected from scale-in" {
        /// The lifetime of the protection unless it is renewed.
        minutes: u32,
    }

    /// The protection was renewed.
    debug ProtectionRenewed: "protection from scale-in renewed" {
        /// The lifetime of the protection unless it is renewed.
        minutes: u32,
    }

    /// The protection was released.
    info TaskUnprotected: "no long work runs, the task is not protected from scale-in" {}

    /// The task belongs to no service, and nothing scales it in.
    info ProtectionNeedless<'a>: "nothing scales this task in, so it is not protected" {
        /// The agent's error.
        error: &'a (dyn Error + 'static) as %,
    }

    /// The task role does not allow to protect the task.
    error ProtectionForbidden<'a>: "the task cannot be protected from scale-in, work goes on, hint: grant the task role ecs:UpdateTaskProtection and ecs:GetTaskProtection, or set ecs.protect to off" {
        /// The agent's error.
        error: &'a (dyn Error + 'static) as %,
    }

    /// A request to the agent failed; the same failure is logged once in ten minutes.
    warn ProtectionUnchanged<'a>: "protection from scale-in not changed, work goes on" {
        /// The agent's error.
        error: &'a (dyn Error + 'static) as %,
        /// The request.
        request: &'a str,
    }

    /// A request to the agent failed again in the same way.
    debug ProtectionStillUnchanged<'a>: "protection from scale-in still not changed" {
        /// The agent's error.
        error: &'a (dyn Error + 'static) as %,
        /// The request.
        request: &'a str,
    }

    /// The deployments of the service could not be read; the same failure is logged once.
    info DeploymentsUnknown<'a>: "a newer deployment is not noticed before ecs refuses a protection, hint: grant the task role ecs:DescribeTasks and ecs:DescribeServices, and in a private network add the endpoint ecs" {
        /// The error.
        error: &'a (dyn Error + 'static) as %,
    }

    /// The protection could not be released at the stop.
    warn ProtectionLeft: "the protection from scale-in could not be ended, it expires by itself" {}

    /// The worker has raised the desired count of its service.
    info TasksOrdered: "messages wait for more tasks than the service has, desired count raised" {
        /// The desired count before.
        desired: u32,
        /// The desired count now.
        needed: u32,
    }

    /// The desired count could not be read or raised; the same failure is logged once in ten minutes.
    warn TasksNotOrdered<'a>: "messages wait for more tasks than the service has, and its desired count could not be raised, hint: grant the task role ecs:DescribeTasks, ecs:DescribeServices and ecs:UpdateService, and in a private network add the endpoint ecs, or remove ecs.scale_out_to" {
        /// The error.
        error: &'a (dyn Error + 'static) as %,
        /// The tasks that are needed.
        needed: u32,
    }

    /// The task belongs to no service, so there is no desired count to raise.
    info ScaleOutNeedless: "this task belongs to no service, so ecs.scale_out_to has no effect" {}

    /// The ECS task of this process.
    info TaskKnown<'a>: "running in an ecs task" {
        /// The cluster.
        cluster: &'a str,
        /// The task's ARN.
        task_arn: &'a str,
        /// The task definition's family.
        family: &'a str,
        /// The task definition's revision.
        revision: &'a str,
        /// The availability zone.
        availability_zone: &'a str,
        /// `FARGATE` or `EC2`.
        launch_type: &'a str,
    }

    /// The metadata of the task could not be read.
    warn TaskUnknown<'a>: "the task is not known, the scaling signal does not name it" {
        /// The error.
        error: &'a (dyn Error + 'static) as %,
    }

    /// Standard output is closed.
    debug SignalUnread<'a>: "standard output is closed, so nobody reads the scaling signal" {
        /// The error of the write.
        error: &'a std::io::Error as %,
    }
}
