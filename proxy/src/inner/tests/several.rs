//! Several servers, one of which is the owner; and what is asked for again.

use common::client::Several;
use common::functional::fs;

use super::*;

fn several(addresses: &[SocketAddr]) -> FunctionalService {
    let remote = |address: &SocketAddr| {
        let authority = address.to_string().parse().unwrap();
        Arc::new(Remote::new(authority, key("ab"), Patience::default()))
    };
    Several::new(addresses.iter().map(remote).collect()).into_service()
}

/// One that stands by.
async fn standby() -> Server {
    start(|_| async { Err(Outcome::NotOwner.into()) }).await
}

/// An address where nobody listens.
async fn vacant() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    listener.local_addr().unwrap()
}

fn make_directory() -> fs::MakeDirectory {
    fs::MakeDirectory {
        path: path(),
        create_parents: false,
    }
}

async fn read_head(stream: &mut TcpStream) -> String {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(stream.read_u8().await.unwrap());
    }
    String::from_utf8(head).unwrap()
}

/// A server that loses its first connection when it was asked.
async fn lossy() -> (Server, Arc<Mutex<Vec<String>>>) {
    let heads: Arc<Mutex<Vec<String>>> = Arc::default();
    let noted = Arc::clone(&heads);
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let task = tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let head = read_head(&mut stream).await;
            let is_first = noted.lock().is_empty();
            noted.lock().push(head);
            if !is_first {
                let answer = "HTTP/1.1 200 OK\r\nX-Stobj-Answer: body\r\nConnection: close\r\nContent-Length: 2\r\n\r\n{}";
                stream.write_all(answer.as_bytes()).await.unwrap();
            }
        }
    });
    (Server { address, task }, heads)
}

#[tokio::test]
async fn a_request_finds_the_owner_with_its_body_untouched() {
    let owner = start(|request| async move { count(request.body).await }).await;
    let (standby, vacant) = (standby().await, vacant().await);
    for others in [
        vec![standby.address, owner.address],
        vec![vacant, standby.address, owner.address],
        vec![owner.address, standby.address],
    ] {
        let servers = several(&others);
        for _ in 0..2 {
            let (stored, _) = ask(&servers, put(), context(), Body::full("hello"))
                .await
                .unwrap();
            assert_eq!(stored.etag, Etag::new("5"));
        }
    }
}

#[tokio::test]
async fn without_an_owner_it_is_503_after_a_while() {
    let (one, other) = (standby().await, standby().await);
    let servers = several(&[one.address, other.address]);
    let error = ask(&servers, put(), context(), Body::full("hello"))
        .await
        .unwrap_err();
    assert_eq!(error.outcome(), &Outcome::Unavailable(Some(1)));
    // Where there is but one, nobody else is looked for.
    let error = ask(&client(one.address), put(), context(), Body::full("hello"))
        .await
        .unwrap_err();
    assert_eq!(error.outcome(), &Outcome::Unavailable(Some(1)));
}

#[tokio::test]
async fn what_may_have_been_done_is_not_asked_of_another_one() {
    let asked = Arc::new(Mutex::new(0));
    let counted = Arc::clone(&asked);
    let other = start(move |_| {
        *counted.lock() += 1;
        async { Err(Error::not_found()) }
    })
    .await;
    let (lossy, heads) = lossy().await;
    let delete = object::Delete {
        path: path(),
        if_delete_at: None,
    };
    let servers = several(&[lossy.address, other.address]);
    let error = ask(&servers, delete, context(), Body::empty()).await.unwrap_err();
    assert_eq!(error.outcome(), &Outcome::Unavailable(Some(1)));
    assert_eq!((heads.lock().len(), *asked.lock()), (1, 0));
}

#[tokio::test]
async fn a_tree_operation_is_asked_for_again_and_says_so() {
    let (server, heads) = lossy().await;
    let done = ask(
        &client(server.address),
        make_directory(),
        context(),
        Body::empty(),
    )
    .await;
    done.unwrap();
    let heads = heads.lock().clone();
    let mut is_repeated = Vec::new();
    for head in heads {
        let lines = head.lines().filter_map(|line| line.split_once(": "));
        let headers = lines.map(|(name, value)| {
            let name = http::HeaderName::try_from(name).unwrap();
            (name, http::HeaderValue::try_from(value).unwrap())
        });
        let headers = headers.collect();
        let request = wire::decode_request("fs/make_directory", &headers, Body::empty());
        is_repeated.push(request.await.unwrap().context.is_repeated);
    }
    assert_eq!(is_repeated, [false, true]);
}
