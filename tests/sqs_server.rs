//! The embedded SQS server over a real socket: through the SDK, through boto3 and the AWS CLI, and by hand.

mod sqs_server {
    mod batches;
    mod errors;
    mod hang_up;
    mod harness;
    mod long_poll;
    mod messages;
    mod moves;
    mod python;
    mod query;
    mod queues;
    mod stop;
    mod topics;
}
