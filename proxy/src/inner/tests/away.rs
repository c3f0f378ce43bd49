//! Servers that drop connections, hang, or are not there.

use super::*;

/// Gives up after a fifth of a second, whatever it is.
const HASTY: Patience = Patience {
    connect: Duration::from_millis(200),
    read: Duration::from_millis(200),
    write: Duration::from_millis(200),
};

/// Gives up soon as well, but not because a machine has much else to do.
const CALM: Patience = Patience {
    connect: DEADLINE,
    read: Duration::from_secs(4),
    write: Duration::from_secs(4),
};

/// Accepts connections and does with each what `with` says.
async fn rude<F>(with: impl Fn(usize, TcpStream) -> F + Send + 'static) -> Server
where
    F: Future<Output = ()> + Send + 'static,
{
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let task = tokio::spawn(async move {
        let mut number = 0;
        while let Ok((stream, _)) = listener.accept().await {
            tokio::spawn(with(number, stream));
            number += 1;
        }
    });
    Server { address, task }
}

async fn read_head(stream: &mut TcpStream) {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(stream.read_u8().await.unwrap());
    }
}

/// The answer to `policy/fetch`.
async fn answer_nothing_new(stream: &mut TcpStream, connection: &str) {
    let json = r#"{"policy":null}"#;
    let answer = format!(
        "HTTP/1.1 200 OK\r\nX-Stobj-Answer: body\r\nConnection: {connection}\r\nContent-Length: {}\r\n\r\n{json}",
        json.len()
    );
    stream.write_all(answer.as_bytes()).await.unwrap();
}

#[tokio::test]
async fn a_dropped_connection_is_tried_again_where_that_is_safe() {
    let server = rude(|number, mut stream| async move {
        read_head(&mut stream).await;
        if number % 2 == 1 {
            answer_nothing_new(&mut stream, "close").await;
        }
    })
    .await;
    let client = client(server.address);
    let fetch = policy::Fetch { known_version: 1 };
    in_time(ask(&client, fetch, context(), Body::empty()))
        .await
        .unwrap();
}

#[tokio::test]
async fn a_change_that_may_have_happened_is_not_sent_again() {
    let heads = Arc::new(Mutex::new(0));
    let counted = Arc::clone(&heads);
    // Each connection serves a question, takes a second request, and is lost before that is answered.
    let server = rude(move |_, mut stream| {
        let counted = Arc::clone(&counted);
        async move {
            read_head(&mut stream).await;
            answer_nothing_new(&mut stream, "keep-alive").await;
            read_head(&mut stream).await;
            *counted.lock() += 1;
        }
    })
    .await;
    let client = client(server.address);
    let fetch = || policy::Fetch { known_version: 1 };
    in_time(ask(&client, fetch(), context(), Body::empty()))
        .await
        .unwrap();
    let delete = object::Delete {
        path: path(),
        if_delete_at: None,
    };
    let error = in_time(ask(&client, delete, context(), Body::empty())).await;
    assert_eq!(error.unwrap_err().outcome(), &Outcome::Unavailable(Some(1)));
    assert_eq!(*heads.lock(), 1);
    // A question over such a connection is asked again over another.
    for _ in 0..2 {
        in_time(ask(&client, fetch(), context(), Body::empty()))
            .await
            .unwrap();
    }
    assert_eq!(*heads.lock(), 2);
}

#[tokio::test]
async fn a_body_that_was_not_asked_for_is_sent_over_another_connection() {
    let server = start(|request| async move { count(request.body).await }).await;
    let there = server.address;
    let between = rude(move |number, mut stream| async move {
        if number == 0 {
            return read_head(&mut stream).await;
        }
        let mut onward = TcpStream::connect(there).await.unwrap();
        let _ = tokio::io::copy_bidirectional(&mut stream, &mut onward).await;
    })
    .await;
    let (body, _) = watched("hello");
    let (answer, _) = in_time(ask(&client(between.address), put(), context(), body))
        .await
        .unwrap();
    assert_eq!(answer.etag.as_str(), "5");
}

#[tokio::test]
async fn nobody_waits_for_ever() {
    let silent = rude(|_, mut stream| async move {
        let mut end = Vec::new();
        let _ = stream.read_to_end(&mut end).await;
    })
    .await;
    let (body, _) = watched("x");
    for body in [Body::empty(), body] {
        let client = client_with(silent.address, key("ab"), HASTY);
        let error = in_time(ask(&client, put(), context(), body)).await.unwrap_err();
        assert_eq!(error.outcome(), &Outcome::Unavailable(Some(1)));
    }
    let vacant = TcpListener::bind("127.0.0.1:0")
        .await
        .unwrap()
        .local_addr()
        .unwrap();
    let error = in_time(ask(&super::client(vacant), get(), context(), Body::empty())).await;
    assert_eq!(error.unwrap_err().status(), 503);
}

#[tokio::test]
async fn silence_within_a_body_is_bounded_on_both_ways() {
    let server = start(|request| async move {
        match request.action {
            // Asks for the body, and then takes no more of it.
            Action::ObjectPut(_) => {
                let mut body = request.body;
                let _first = body.chunk().await;
                std::future::pending().await
            }
            _ => {
                let first = stream::once(async { Ok::<_, Error>(Bytes::from_static(b"hel")) });
                Ok(got(Body::from_stream(first.chain(stream::pending()))))
            }
        }
    })
    .await;
    let endless = Body::from_stream(stream::repeat_with(|| {
        Ok::<_, Error>(Bytes::from(vec![0; 65536]))
    }));
    let error = in_time(ask(
        &client_with(server.address, key("ab"), HASTY),
        put(),
        context(),
        endless,
    ))
    .await;
    assert_eq!(error.unwrap_err().outcome(), &Outcome::Unavailable(Some(1)));
    let client = client_with(server.address, key("ab"), CALM);
    let (_, mut body) = in_time(ask(&client, get(), context(), Body::empty()))
        .await
        .unwrap();
    assert_eq!(in_time(body.chunk()).await.unwrap().unwrap(), "hel");
    assert!(in_time(body.chunk()).await.unwrap().is_err());
}

#[tokio::test]
async fn a_client_may_take_its_time_with_its_body() {
    let server = start(|request| async move { count(request.body).await }).await;
    let client = client_with(server.address, key("ab"), CALM);
    let (sender, receiver) = mpsc::channel::<Result<Bytes, Error>>(1);
    let body = Body::from_stream(stream::unfold(receiver, |mut receiver| async move {
        Some((receiver.recv().await?, receiver))
    }));
    let sending = async move {
        sender.send(Ok(Bytes::from_static(b"x"))).await.unwrap();
        // Longer than the other side is given: it is not its turn.
        tokio::time::sleep(CALM.write + CALM.read / 2).await;
        sender.send(Ok(Bytes::from_static(b"x"))).await.unwrap();
    };
    let (answer, ()) = in_time(async { tokio::join!(ask(&client, put(), context(), body), sending) }).await;
    assert_eq!(answer.unwrap().0.etag.as_str(), "2");
}

#[tokio::test]
async fn who_was_late_once_is_not_waited_for_until_it_is_there() {
    let (is_there, heads) = (Arc::new(Mutex::new(false)), Arc::new(Mutex::new(0)));
    let (answers, counted) = (Arc::clone(&is_there), Arc::clone(&heads));
    let server = rude(move |_, mut stream| {
        let (answers, counted) = (Arc::clone(&answers), Arc::clone(&counted));
        async move {
            loop {
                read_head(&mut stream).await;
                *counted.lock() += 1;
                if !*answers.lock() {
                    return std::future::pending().await;
                }
                answer_nothing_new(&mut stream, "keep-alive").await;
            }
        }
    })
    .await;
    let client = client_with(server.address, key("ab"), HASTY);
    let fetch = || {
        ask(
            &client,
            policy::Fetch { known_version: 1 },
            context(),
            Body::empty(),
        )
    };
    assert_eq!(in_time(fetch()).await.unwrap_err().status(), 503);
    let before = *heads.lock();
    for _ in 0..100 {
        assert_eq!(in_time(fetch()).await.unwrap_err().status(), 503);
    }
    let asked = *heads.lock() - before;
    assert!(asked < 20, "{asked} of 100 were sent, beside the tries");
    *is_there.lock() = true;
    in_time(async {
        while fetch().await.is_err() {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    })
    .await;
}
