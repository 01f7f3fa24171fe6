//! Events of the worker as a task of Amazon ECS.

use std::error::Error;

use super::events;

events! {
    ECS = "Amazon ECS";

    /// The settings do not say how long ECS waits before it kills.
    warn StopTimeoutUnknown: "ecs.stop_timeout is not set, and ecs does not pass it to containers, hint: set it to the task definition's stopTimeout, and that to 120" {}

    /// An address that ECS gives to its containers is none.
    warn AddressUnusable<'a>: "not an http url, so what it should lead to is gone without" {
        /// The environment variable that has it.
        variable: &'a str,
    }

    /// The task is protected from scale-in from now on.
    info TaskProtected: "long work runs, the task is protected from scale-in" {
        /// For how long, unless that is renewed.
        minutes: u32,
    }

    /// The protection goes on.
    debug ProtectionRenewed: "protection from scale-in renewed" {
        /// For how long, unless that is renewed.
        minutes: u32,
    }

    /// The task is not protected any more.
    info TaskUnprotected: "no long work runs, the task is not protected from scale-in" {}

    /// The task belongs to no service, and nothing scales it in.
    info ProtectionNeedless<'a>: "nothing scales this task in, so it is not protected" {
        /// The agent's words.
        error: &'a (dyn Error + 'static) as %,
    }

    /// The agent may not protect the task.
    error ProtectionForbidden<'a>: "the task cannot be protected from scale-in, work goes on, hint: grant the task role ecs:UpdateTaskProtection and ecs:GetTaskProtection, or set ecs.protect to off" {
        /// The agent's words.
        error: &'a (dyn Error + 'static) as %,
    }

    /// The agent did not do as it was asked, for the first time in a while.
    warn ProtectionUnchanged<'a>: "protection from scale-in not changed, work goes on" {
        /// The agent's words.
        error: &'a (dyn Error + 'static) as %,
        /// The request.
        request: &'a str,
    }

    /// A further failure of the same kind.
    debug ProtectionStillUnchanged<'a>: "protection from scale-in still not changed" {
        /// The agent's words.
        error: &'a (dyn Error + 'static) as %,
        /// The request.
        request: &'a str,
    }

    /// The protection outlasts the stop.
    warn ProtectionLeft: "the protection from scale-in could not be ended, it expires by itself" {}

    /// The task of this process.
    info TaskKnown<'a>: "task of ecs" {
        /// The cluster.
        cluster: &'a str,
        /// The task's ARN.
        task_arn: &'a str,
        /// The task definition's family.
        family: &'a str,
        /// The task definition's revision.
        revision: &'a str,
        /// The cluster, family and revision of the task.
        availability_zone: &'a str,
        /// On what it runs.
        launch_type: &'a str,
    }

    /// ECS does not say which task this is.
    warn TaskUnknown<'a>: "the task is not known, the scaling signal does not name it" {
        /// Why.
        error: &'a (dyn Error + 'static) as %,
    }

    /// Standard output is closed.
    debug SignalUnread<'a>: "nobody reads the scaling signal" {
        /// The error of the write.
        error: &'a std::io::Error as %,
    }
}
