//! The parts of a `multipart/form-data` body, one after another.
//!
//! The library that splits it keeps what comes before the first boundary, and the head of a part, until that is whole, and
//! looks through all of it again at each packet; and it takes as much at once as there is. So the body is counted on its way
//! there: it comes in turns, and what cannot be split for so long is refused.

use std::error::Error;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::task::{Context, Poll, ready};

use axum::body::{Body, Bytes, HttpBody};
use axum::extract::multipart::{Field, MultipartError};
use axum::extract::{FromRequest, Multipart, Request};
use hyper::body::{Frame, SizeHint};

use crate::error::ApiError;

/// So much is given to the library at once.
const TURN_BYTES: usize = 64 * 1024;

/// So much it may keep: nobody writes a preamble, or names, as long as that. It is part of what every upload takes while it is received.
const UNSPLIT_BYTES: usize = 128 * 1024;

/// What came since the library gave something: the end of a head, or a piece of a part.
#[derive(Clone, Debug, Default)]
struct Unsplit(Arc<AtomicUsize>);

/// A body's parts.
pub(super) struct Parts {
    multipart: Multipart,
    unsplit: Unsplit,
}

/// One of them. Whoever does not want it reads over it.
pub(super) struct Part<'a> {
    field: Field<'a>,
    unsplit: Unsplit,
}

/// There is no boundary, or no end of a head, where there should be one.
#[derive(Debug, thiserror::Error)]
#[error("{UNSPLIT_BYTES} bytes without a boundary")]
struct Endless;

impl Parts {
    /// Of a request whose body is multipart.
    pub(super) async fn of(request: Request) -> Result<Self, ApiError> {
        let unsplit = Unsplit::default();
        let request = request.map(|body| Body::new(InTurns { body, unsplit: unsplit.clone(), turn: 0 }));
        let multipart = Multipart::from_request(request, &()).await.map_err(|_| {
            ApiError::invalid_request("the Content-Type names no usable boundary; send multipart/form-data; boundary=…")
        })?;
        Ok(Self { multipart, unsplit })
    }

    /// The next one; the one before has been read to its end.
    pub(super) async fn next(&mut self) -> Result<Option<Part<'_>>, MultipartError> {
        let field = self.multipart.next_field().await?;
        self.unsplit.0.store(0, Relaxed);
        Ok(field.map(|field| Part { field, unsplit: self.unsplit.clone() }))
    }
}

impl Part<'_> {
    pub(super) fn name(&self) -> Option<&str> {
        self.field.name()
    }

    /// The next piece of its content.
    pub(super) async fn chunk(&mut self) -> Result<Option<Bytes>, MultipartError> {
        let chunk = self.field.chunk().await?;
        self.unsplit.0.store(0, Relaxed);
        Ok(chunk)
    }

    /// To its end, keeping nothing.
    pub(super) async fn read_over(&mut self) -> Result<(), MultipartError> {
        while self.chunk().await?.is_some() {}
        Ok(())
    }
}

/// What to say to a body that was refused here.
pub(super) fn refusal(error: &MultipartError) -> Option<ApiError> {
    let causes = std::iter::successors(Some(error as &(dyn Error + 'static)), |error| (*error).source());
    causes.into_iter().find(|cause| cause.is::<Endless>()).map(|_| {
        ApiError::invalid_request(format!(
            "the multipart body has {UNSPLIT_BYTES} bytes where a boundary, or the end of a part's headers, should be; is the \
             boundary in the Content-Type the one in the body?"
        ))
    })
}

/// The body as the library gets it.
struct InTurns {
    body: Body,
    unsplit: Unsplit,
    turn: usize,
}

impl HttpBody for InTurns {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        let this = &mut *self;
        // Where nothing comes, the turn is over as well.
        let turn = std::mem::take(&mut this.turn);
        if turn >= TURN_BYTES {
            // It looks at what it has, and comes again.
            cx.waker().wake_by_ref();
            return Poll::Pending;
        }
        if this.unsplit.0.load(Relaxed) >= UNSPLIT_BYTES {
            return Poll::Ready(Some(Err(axum::Error::new(Endless))));
        }
        let frame = ready!(Pin::new(&mut this.body).poll_frame(cx));
        if let Some(data) = frame.as_ref().and_then(|frame| frame.as_ref().ok()?.data_ref()) {
            this.turn = turn + data.len();
            this.unsplit.0.fetch_add(data.len(), Relaxed);
        }
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
