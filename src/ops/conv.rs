//! Convolutions, their legs, and changes of resolution.

use crate::op::{Border, DType, Leg, Op, Window};
use crate::shape::Shape;
use crate::tape::Var;

impl Var<'_> {
    /// Convolution of x `[N, H, W, CI]` with w `[KH, KW, CI, CO]`, whose filter begins `pad` pixels
    /// before x. With a periodic border the result has H / stride by W / stride pixels, whatever the
    /// filter.
    ///
    /// # Panics
    /// If the channels differ, the filter is larger than the padded image, or a periodic window is
    /// not [closed](Window::is_closed).
    #[track_caller]
    pub fn conv(self, w: Self, stride: [usize; 2], pad: [usize; 2], border: Border) -> Self {
        let (x, f) = (self.shape(), w.shape());
        assert!(x.rank() == 4 && f.rank() == 4 && x[3] == f[2], "conv: {x:?} by {f:?}");
        let Some(window) = Window::over([x[1], x[2]], [f[0], f[1]], stride, pad, border) else {
            panic!("conv: {x:?} by {f:?}, stride {stride:?}, pad {pad:?}, {border:?}")
        };
        self.conv_leg_y(w, window)
    }

    /// Transposed convolution of x `[N, H, W, CI]` with w `[KH, KW, CO, CI]`: the adjoint of the
    /// convolution that maps CO channels to CI. With an open border the result is
    /// `(H - 1) stride - 2 pad + KH + extra` pixels high, with a periodic one `H stride`; likewise
    /// wide.
    ///
    /// # Panics
    /// If the channels differ, the result would be empty, or the border is periodic and there is an
    /// extra or the window is not [closed](Window::is_closed).
    #[track_caller]
    pub fn conv_transpose(
        self,
        w: Self,
        stride: [usize; 2],
        pad: [usize; 2],
        extra: [usize; 2],
        border: Border,
    ) -> Self {
        let (x, f) = (self.shape(), w.shape());
        assert!(x.rank() == 4 && f.rank() == 4 && x[3] == f[3], "conv_transpose: {x:?} by {f:?}");
        let (out, kernel) = ([x[1], x[2]], [f[0], f[1]]);
        let image = [0, 1].map(|i| match border {
            Border::Open => ((out[i] - 1) * stride[i] + kernel[i] + extra[i]).saturating_sub(2 * pad[i]),
            Border::Periodic => out[i] * stride[i] + extra[i], // which closes for no extra but 0
        });
        assert!(
            image.iter().all(|&extent| extent > 0),
            "conv_transpose: {x:?} by {f:?}, stride {stride:?}, pad {pad:?}"
        );
        self.conv_leg_x(w, Window { image, kernel, stride, pad, out, border })
    }

    /// The leg y = x * w.
    #[track_caller]
    pub fn conv_leg_y(self, w: Self, window: Window) -> Self {
        let (x, f) = (self.shape(), w.shape());
        assert!(x[1..3] == window.image && f[..2] == window.kernel && x[3] == f[2], "conv: {x:?} by {f:?}");
        self.leg(Leg::Y, w, window, [x[0], window.out[0], window.out[1], f[3]])
    }

    /// The leg x of cotangent g (this) and filter w.
    #[track_caller]
    pub fn conv_leg_x(self, w: Self, window: Window) -> Self {
        let (g, f) = (self.shape(), w.shape());
        assert!(g[1..3] == window.out && f[..2] == window.kernel && g[3] == f[3], "conv x: {g:?} by {f:?}");
        self.leg(Leg::X, w, window, [g[0], window.image[0], window.image[1], f[2]])
    }

    /// The leg w of image x (this) and cotangent g.
    #[track_caller]
    pub fn conv_leg_w(self, g: Self, window: Window) -> Self {
        let (x, c) = (self.shape(), g.shape());
        assert!(x[1..3] == window.image && c[1..3] == window.out && x[0] == c[0], "conv w: {x:?} by {c:?}");
        self.leg(Leg::W, g, window, [window.kernel[0], window.kernel[1], x[3], c[3]])
    }

    #[track_caller]
    fn leg(self, leg: Leg, other: Self, window: Window, shape: [usize; 4]) -> Self {
        assert!(window.is_closed(), "conv: a periodic window that does not close: {window:?}");
        self.tape().push(Op::Conv(leg, window), &[self, other], Shape::from(shape), DType::Real)
    }

    /// Mean over k x k blocks of `[N, H, W, C]`.
    ///
    /// # Panics
    /// Unless k divides H and W.
    #[track_caller]
    pub fn mean_pool(self, k: usize) -> Self {
        let s = self.shape();
        assert!(s.rank() == 4 && s[1].is_multiple_of(k) && s[2].is_multiple_of(k), "mean_pool: {s:?} by {k}");
        self.tape().push(Op::MeanPool(k), &[self], Shape::from([s[0], s[1] / k, s[2] / k, s[3]]), DType::Real)
    }

    /// Every pixel of `[N, H, W, C]` repeated k x k times.
    #[track_caller]
    pub fn upsample(self, k: usize) -> Self {
        let s = self.shape();
        assert!(s.rank() == 4, "upsample: {s:?}");
        self.tape().push(Op::Upsample(k), &[self], Shape::from([s[0], s[1] * k, s[2] * k, s[3]]), DType::Real)
    }

    /// `self.upsample(2).conv(w, [1, 1], [1, 1], border)` of x `[N, H, W, CI]` and w `[3, 3, CI, CO]`,
    /// without the upsampled image: a pixel of the result meets at most 2 x 2 different pixels of x, so
    /// this is a transposed convolution of stride 2 with a 4 x 4 filter, each tap of which is the sum of
    /// those of w that meet the same pixel. 4 products instead of 9.
    ///
    /// # Panics
    /// If the filter is not 3 x 3 or the channels differ.
    #[track_caller]
    pub fn upsample_conv(self, w: Self, border: Border) -> Self {
        assert!(w.shape()[..2] == [3, 3], "a filter that is not 3 x 3: {:?}", w.shape());
        self.conv_transpose(w.spread_taps(true), [2, 2], [1, 1], [0, 0], border)
    }

    /// `self.conv(w, [1, 1], [1, 1], border).mean_pool(2)` of x `[N, H, W, CI]` and w `[3, 3, CI, CO]`,
    /// without the image in between: a convolution of stride 2 with a 4 x 4 filter, the sum of w at four
    /// places. 4 products instead of 9.
    ///
    /// # Panics
    /// If the filter is not 3 x 3, the channels differ, or H or W is odd.
    #[track_caller]
    pub fn conv_mean_pool(self, w: Self, border: Border) -> Self {
        let (s, filter) = (self.shape(), w.shape());
        assert!(s[1].is_multiple_of(2) && s[2].is_multiple_of(2), "conv_mean_pool: {s:?}");
        assert!(filter[..2] == [3, 3], "a filter that is not 3 x 3: {filter:?}");
        self.conv(w.spread_taps(false).scale(0.25), [2, 2], [1, 1], border)
    }

    /// A filter `[K, L, A, B]` as `[K + 1, L + 1, A, B]`: the sum of itself at four places, its full
    /// convolution with 2 x 2 ones. If turned, `[K + 1, L + 1, B, A]` with taps from last to first.
    #[track_caller]
    pub fn spread_taps(self, turned: bool) -> Self {
        let s = self.shape();
        assert!(s.rank() == 4, "spread_taps: {s:?}");
        let [a, b] = if turned { [s[3], s[2]] } else { [s[2], s[3]] };
        let shape = Shape::from([s[0] + 1, s[1] + 1, a, b]);
        self.tape().push(Op::SpreadTaps { turned }, &[self], shape, DType::Real)
    }

    /// The adjoint of [`Var::spread_taps`]: a filter `[K + 1, L + 1, A, B]` as `[K, L, A, B]`, each tap the sum of 2 x 2.
    #[track_caller]
    pub fn gather_taps(self, turned: bool) -> Self {
        let s = self.shape();
        assert!(s.rank() == 4 && s[0] > 1 && s[1] > 1, "gather_taps: {s:?}");
        let [a, b] = if turned { [s[3], s[2]] } else { [s[2], s[3]] };
        let shape = Shape::from([s[0] - 1, s[1] - 1, a, b]);
        self.tape().push(Op::GatherTaps { turned }, &[self], shape, DType::Real)
    }
}
