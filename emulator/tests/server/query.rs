//! The query protocol: requests as forms and URLs, responses in XML.

use super::harness::{Served, exchange, post_form};

const NAMESPACE: &str = "xmlns=\"http://queue.amazonaws.com/doc/2012-11-05/\"";

#[tokio::test]
async fn a_form_sends_and_a_url_receives() {
    let served = Served::start().await;
    served.queue("orders").await;
    let form = "Action=SendMessage&Version=2012-11-05&MessageBody=a%26b%3Cc%3E+%0D%0A%C3%A9";
    let sent = post_form(served.address, "/000000000000/orders", form).await;
    assert_eq!(sent.status, 200);
    assert!(sent.head.contains("content-type: text/xml"), "{sent:?}");
    assert!(sent.body.contains(&format!("<SendMessageResponse {NAMESPACE}><SendMessageResult>")), "{sent:?}");
    let target = "/000000000000/orders?Action=ReceiveMessage&AttributeName.1=All";
    let received = exchange(served.address, &format!("GET {target} HTTP/1.0\r\n\r\n")).await;
    assert!(received.body.contains("<Body>a&amp;b&lt;c&gt; &#13;\né</Body>"), "{received:?}");
    assert!(
        received.body.contains("<Attribute><Name>ApproximateReceiveCount</Name><Value>1</Value></Attribute>")
    );
}

#[tokio::test]
async fn a_queue_url_among_the_parameters_wins_over_the_path() {
    let served = Served::start().await;
    served.queue("orders").await;
    let form = "Action=SendMessage&QueueUrl=http%3A%2F%2Flocalhost%2F000000000000%2Forders&MessageBody=x";
    assert_eq!(post_form(served.address, "/", form).await.status, 200);
}

#[tokio::test]
async fn an_empty_receive_has_an_empty_result() {
    let served = Served::start().await;
    served.queue("orders").await;
    let received = post_form(served.address, "/000000000000/orders", "Action=ReceiveMessage").await;
    assert!(received.body.contains("<ReceiveMessageResult/>"), "{received:?}");
}

#[tokio::test]
async fn a_batch_nests_its_entries() {
    let served = Served::start().await;
    served.queue("orders").await;
    let form = "Action=SendMessageBatch\
        &SendMessageBatchRequestEntry.1.Id=good&SendMessageBatchRequestEntry.1.MessageBody=x\
        &SendMessageBatchRequestEntry.1.MessageAttribute.1.Name=colour\
        &SendMessageBatchRequestEntry.1.MessageAttribute.1.Value.DataType=String\
        &SendMessageBatchRequestEntry.1.MessageAttribute.1.Value.StringValue=red\
        &SendMessageBatchRequestEntry.2.Id=bad&SendMessageBatchRequestEntry.2.MessageBody=x\
        &SendMessageBatchRequestEntry.2.DelaySeconds=901";
    let answer = post_form(served.address, "/000000000000/orders", form).await;
    assert!(answer.body.contains("<SendMessageBatchResultEntry><Id>good</Id>"), "{answer:?}");
    assert!(
        answer.body.contains("<BatchResultErrorEntry><Id>bad</Id><Code>InvalidParameterValue</Code>"),
        "{answer:?}"
    );
    assert!(answer.body.contains("<SenderFault>true</SenderFault>"), "{answer:?}");
    let form = "Action=ReceiveMessage&MessageAttributeName.1=col.*";
    let received = post_form(served.address, "/000000000000/orders", form).await;
    let attribute = "<MessageAttribute><Name>colour</Name><Value><StringValue>red</StringValue>\
        <DataType>String</DataType></Value></MessageAttribute>";
    assert!(received.body.contains(attribute), "{received:?}");
}

#[tokio::test]
async fn refusals_are_error_responses() {
    let served = Served::start().await;
    served.queue("orders").await;
    for (path, form, status, code, message) in [
        (
            "/",
            "Action=GetQueueUrl&QueueName=nobody",
            400,
            "AWS.SimpleQueueService.NonExistentQueue",
            "The specified queue does not exist for this wsdl version.",
        ),
        ("/", "Action=FooBar", 400, "InvalidAction", "The action FooBar is not valid for this endpoint."),
        (
            "/000000000000/orders",
            "Action=SendMessage",
            400,
            "MissingParameter",
            "The request must contain the parameter MessageBody.",
        ),
        (
            "/",
            "Action=PurgeQueue",
            400,
            "MissingParameter",
            "The request must contain the parameter QueueUrl.",
        ),
        (
            "/000000000000/orders",
            "Action=ReceiveMessage&WaitTimeSeconds=21",
            400,
            "InvalidParameterValue",
            "Value 21 for parameter WaitTimeSeconds is invalid. Reason: Must be &gt;= 0 and &lt;= 20, if provided.",
        ),
        (
            "/000000000000/orders",
            "Action=ReceiveMessage&WaitTimeSeconds=soon",
            400,
            "InvalidParameterValue",
            "A parameter of the request is malformed: not a number: soon.",
        ),
    ] {
        let answer = post_form(served.address, path, form).await;
        assert_eq!(answer.status, status, "{answer:?}");
        let error = format!("<ErrorResponse {NAMESPACE}><Error><Type>Sender</Type><Code>{code}</Code>");
        assert!(answer.body.contains(&error), "{answer:?}");
        assert!(answer.body.contains(&format!("<Message>{message}</Message>")), "{answer:?}");
    }
}

#[tokio::test]
async fn a_queues_url_has_the_host_that_its_client_used() {
    let served = Served::start().await;
    let get = "GET /?Action=CreateQueue&QueueName=orders HTTP/1.0\r\n";
    let named = exchange(served.address, &format!("{get}Host: sqs.localhost:99\r\n\r\n")).await;
    assert!(
        named.body.contains("<QueueUrl>http://sqs.localhost:99/000000000000/orders</QueueUrl>"),
        "{named:?}"
    );
    let bare = exchange(served.address, &format!("{get}\r\n")).await;
    let url = format!("<QueueUrl>http://{}/000000000000/orders</QueueUrl>", served.address);
    assert!(bare.body.contains(&url), "{bare:?}");
}

#[tokio::test]
async fn json_is_answered_to_clients_that_accept_it() {
    let served = Served::start().await;
    served.queue("orders").await;
    served.send("http://any/000000000000/orders", "{\"a\": \"b\r\n&quot;\"}").await;
    let get = async |target: &str| {
        let head = format!("GET {target} HTTP/1.0\r\nAccept: application/json\r\n\r\n");
        let answer = exchange(served.address, &head).await;
        assert!(answer.head.contains("content-type: application/json"), "{answer:?}");
        (answer.status, serde_json::from_str::<serde_json::Value>(&answer.body).unwrap())
    };
    let (status, received) = get("/000000000000/orders?Action=ReceiveMessage").await;
    let message = &received["ReceiveMessageResponse"]["ReceiveMessageResult"]["messages"][0];
    assert_eq!((status, &message["Body"]), (200, &"{\"a\": \"b\r\n&quot;\"}".into()));
    let (_, attributes) =
        get("/000000000000/orders?Action=GetQueueAttributes&AttributeName.1=VisibilityTimeout").await;
    let attributes = &attributes["GetQueueAttributesResponse"]["GetQueueAttributesResult"]["Attributes"];
    assert_eq!(*attributes, serde_json::json!([{ "Name": "VisibilityTimeout", "Value": "30" }]));
    let no_action = "GET /000000000000/orders HTTP/1.0\r\nAccept: application/json\r\n\r\n";
    let answer = exchange(served.address, no_action).await;
    assert_eq!((answer.status, answer.body.as_str()), (404, "<UnknownOperationException/>"));
    let (status, refused) = get("/000000000000/gone?Action=ReceiveMessage").await;
    assert_eq!((status, &refused["Error"]["Code"]), (400, &"AWS.SimpleQueueService.NonExistentQueue".into()));
}
