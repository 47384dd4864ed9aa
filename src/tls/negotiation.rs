//! From a socket to an encrypted one: PostgreSQL's question before TLS (SSLRequest), and TLS' handshake.

use std::net::IpAddr;
use std::sync::{Arc, PoisonError};

use bytes::BytesMut;
use postgres_protocol::message::frontend;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use tokio_rustls::rustls::ClientConfig;
use tokio_rustls::rustls::pki_types::ServerName;

use super::explain::{TlsError, of_handshake};
use super::{Tls, TlsMode, Way};

/// What came of it.
pub(crate) enum Negotiated {
    /// The server has no TLS, or nobody asked for it.
    Plain(TcpStream),
    /// What is sent is encrypted.
    Encrypted(Box<TlsStream<TcpStream>>),
}

impl Tls {
    /// Encrypts a connection that was just opened, as `way` says. `host`: what the server was looked up by, if it has a name.
    pub(crate) async fn negotiate(
        &self,
        way: Way,
        mut stream: TcpStream,
        host: Option<&str>,
    ) -> std::io::Result<Negotiated> {
        let client = self.client.read().unwrap_or_else(PoisonError::into_inner).clone();
        let Some(client) = client.filter(|_| way != Way::Plain) else { return Ok(Negotiated::Plain(stream)) };
        let mode = self.settings.mode;
        let failed = |cause: &dyn std::fmt::Display| TlsError(format!("asking for TLS (DB_SSLMODE={mode}): {cause}"));
        if !self.settings.direct {
            match ask(&mut stream).await.map_err(|error| failed(&error))? {
                b'S' => {}
                b'N' if way == Way::IfOffered => return Ok(Negotiated::Plain(stream)),
                b'N' => {
                    let without = "the server has no TLS (its setting ssl is off)";
                    return Err(TlsError(format!("{without}, and DB_SSLMODE={mode} asks for it")).into());
                }
                _ => return Err(failed(&"the server does not know what that is").into()),
            }
        }
        let address = stream.peer_addr()?.ip();
        let encrypted = self.encrypt(client, stream, host, address).await?;
        Ok(Negotiated::Encrypted(Box::new(encrypted)))
    }

    async fn encrypt(
        &self,
        client: Arc<ClientConfig>,
        stream: TcpStream,
        host: Option<&str>,
        address: IpAddr,
    ) -> Result<TlsStream<TcpStream>, TlsError> {
        let named = host.and_then(|host| ServerName::try_from(host.to_owned()).ok());
        let name = match named {
            Some(name) => name,
            // One that no certificate can be for.
            None if host.is_some() && self.settings.mode == TlsMode::VerifyFull => {
                let host = host.unwrap_or_default();
                return Err(TlsError(format!(
                    "no certificate is for a host of this name: {host:?} (DB_SSLMODE=verify-full)"
                )));
            }
            None => ServerName::from(address),
        };
        let shown = name.to_str().into_owned();
        let connected = TlsConnector::from(client).connect(name, stream).await;
        let stream = connected.map_err(|error| of_handshake(&error, &self.settings, &shown))?;
        if self.settings.direct && stream.get_ref().1.alpn_protocol().is_none() {
            return Err(TlsError("sslnegotiation=direct: the server does not say that it is PostgreSQL".to_owned()));
        }
        Ok(stream)
    }
}

async fn ask(stream: &mut TcpStream) -> std::io::Result<u8> {
    let mut request = BytesMut::new();
    frontend::ssl_request(&mut request);
    stream.write_all(&request).await?;
    // No byte more than the answer: what comes after it is encrypted, or it is somebody else's.
    stream.read_u8().await
}
