//! Sending over an encrypted socket.

use std::sync::Arc;
use std::task::Waker;
use std::time::Duration;

use tokio::io::AsyncWriteExt;
use tokio::net::TcpListener;
use tokio::sync::oneshot;
use tokio::time::timeout;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::PrivateKeyDer;

use super::*;
use crate::databases::socket::Endpoint;
use crate::tls::{Tls, TlsMode, TlsSettings, Way};

const PIECE: usize = 1000;

/// Who encrypts has buffers, too: what lies in them waits for ever if it counts as sent.
#[tokio::test(flavor = "multi_thread")]
async fn what_counts_as_sent_does_not_wait_to_be_encrypted() {
    let key = rcgen::KeyPair::generate().unwrap();
    let certificate = rcgen::CertificateParams::new(["localhost".to_owned()]).unwrap().self_signed(&key).unwrap();
    let config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()));
    let config = config.with_safe_default_protocol_versions().unwrap().with_no_client_auth();
    let key = PrivateKeyDer::try_from(key.serialize_der()).unwrap();
    let config = config.with_single_cert(vec![certificate.der().clone()], key).unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let endpoint = Endpoint::Tcp(listener.local_addr().unwrap(), None);
    let (sent, to_read) = oneshot::channel::<usize>();
    let server = tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        stream.read_exact(&mut [0; 8]).await.unwrap();
        stream.write_all(b"S").await.unwrap();
        let mut stream = TlsAcceptor::from(Arc::new(config)).accept(stream).await.unwrap();
        let mut text = vec![0; to_read.await.unwrap()];
        stream.read_exact(&mut text).await.unwrap();
        stream
    });
    let tls = Tls::load(TlsSettings { mode: TlsMode::Require, ..TlsSettings::default() }).unwrap();
    let (limit, config) = (Duration::from_secs(10), tokio_postgres::Config::new());
    let socket = Socket::connect(&endpoint, &config, (&tls, Way::Encrypted), limit).await.unwrap();
    assert!(socket.is_encrypted());
    let mut line = Line::new(socket);
    let mut count = 0;
    loop {
        line.outbox.extend_from_slice(&[7; PIECE]);
        match line.poll_send(&mut Context::from_waker(Waker::noop())) {
            Poll::Ready(done) => done.unwrap(),
            Poll::Pending => break,
        }
        count += PIECE;
        // The server reads nothing yet, so it ends; the runtime has to hear of the socket now and then.
        tokio::task::yield_now().await;
    }
    sent.send(count).unwrap();
    timeout(limit, server).await.expect("all of it has come").unwrap();
}
