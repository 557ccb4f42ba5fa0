//! What filters see of an image: where they lie over it, and what lies beyond its edges.

/// What lies beyond the edge of an image.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Border {
    /// The opposite edge.
    Periodic,
    /// Nothing: a convolution sees zeros there; of a correlation only pairs of pixels within the image
    /// count, and each vector's pairs are averaged.
    Open,
}

/// The geometry of a convolution x `[N, H, W, CI]` * w `[KH, KW, CI, CO]` = y `[N, OH, OW, CO]`
/// (cross-correlation). Channel and batch extents come from the shapes.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Window {
    /// H and W of x, in pixels.
    pub image: [usize; 2],
    /// KH and KW of the filter.
    pub kernel: [usize; 2],
    /// Step of the filter over x.
    pub stride: [usize; 2],
    /// Rows above and columns left of x that the filter begins at.
    pub pad: [usize; 2],
    /// OH and OW of y. With an open border the filter goes as far beyond the lower and right edges
    /// as that needs; with a periodic one y is periodic too, one pixel for every step over x.
    pub out: [usize; 2],
    /// What the filter sees beyond the edges.
    pub border: Border,
}

impl Window {
    /// The window of a filter that begins `pad` pixels before an image. With an open border it ends as
    /// far behind it at most; with a periodic one it goes round once.
    ///
    /// `None` if a stride is zero, if an open border leaves no room for the filter, or if a periodic
    /// one is not [closed](Self::is_closed).
    #[must_use]
    pub fn over(
        image: [usize; 2],
        kernel: [usize; 2],
        stride: [usize; 2],
        pad: [usize; 2],
        border: Border,
    ) -> Option<Self> {
        let mut out = [0; 2];
        for i in 0..2 {
            out[i] = match border {
                Border::Periodic => image[i].checked_div(stride[i])?,
                Border::Open => (image[i] + 2 * pad[i]).checked_sub(kernel[i])?.checked_div(stride[i])? + 1,
            };
        }
        let window = Self { image, kernel, stride, pad, out, border };
        window.is_closed().then_some(window)
    }

    /// Whether a periodic window goes round without a remainder, stride times y being x, and its
    /// filter reaches at most one image beyond either edge. Always true of an open one.
    #[must_use]
    pub fn is_closed(&self) -> bool {
        self.border == Border::Open
            || (0..2).all(|i| {
                let reach = self.image[i] + 1;
                self.stride[i] * self.out[i] == self.image[i]
                    && self.pad[i] < reach
                    && self.kernel[i] <= self.pad[i] + reach
            })
    }
}
