//! What products multiply.

/// The numbers that convolutions and matrix products multiply. Sums, storage and everything else
/// are single precision.
#[derive(
    Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Default, serde::Serialize, serde::Deserialize,
)]
#[serde(rename_all = "lowercase")]
pub enum Precision {
    /// 24 bits: no tensor cores.
    #[default]
    Fp32,
    /// 11 bits, the exponent of single precision.
    Tf32,
    /// 8 bits, the exponent of single precision.
    Bf16,
}

impl Precision {
    /// Every precision, the finest first.
    pub const ALL: [Self; 3] = [Self::Fp32, Self::Tf32, Self::Bf16];

    /// Largest relative error of rounding one operand: the unit roundoff.
    #[must_use]
    pub fn unit_roundoff(self) -> f64 {
        match self {
            Self::Fp32 => f64::powi(2.0, -24),
            Self::Tf32 => f64::powi(2.0, -11),
            Self::Bf16 => f64::powi(2.0, -8),
        }
    }

    /// What a configuration calls it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Fp32 => "fp32",
            Self::Tf32 => "tf32",
            Self::Bf16 => "bf16",
        }
    }
}
