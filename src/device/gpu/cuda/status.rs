//! What the driver answers, as the number it is: newer drivers have answers that no one here knows.

/// A `CUresult`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Status(pub u32);

impl Status {
    pub const SUCCESS: Self = Self(0);
    pub const OUT_OF_MEMORY: Self = Self(2);
    pub const NO_DEVICE: Self = Self(100);
    pub const INVALID_IMAGE: Self = Self(200);
    pub const NO_BINARY_FOR_GPU: Self = Self(209);
    pub const ECC_UNCORRECTABLE: Self = Self(214);
    pub const UNSUPPORTED_PTX_VERSION: Self = Self(222);
    pub const CONTAINED: Self = Self(226);
    pub const ILLEGAL_ADDRESS: Self = Self(700);
    pub const LAUNCH_TIMEOUT: Self = Self(702);
    pub const ASSERT: Self = Self(710);
    pub const HARDWARE_STACK_ERROR: Self = Self(714);
    pub const ILLEGAL_INSTRUCTION: Self = Self(715);
    pub const MISALIGNED_ADDRESS: Self = Self(716);
    pub const INVALID_ADDRESS_SPACE: Self = Self(717);
    pub const INVALID_PC: Self = Self(718);
    pub const LAUNCH_FAILED: Self = Self(719);
    pub const TENSOR_MEMORY_LEAK: Self = Self(721);
    pub const STREAM_CAPTURE_INVALIDATED: Self = Self(901);
    pub const UNKNOWN: Self = Self(999);

    /// Whether a kernel that ran earlier caused this, rather than the call that returned it.
    pub fn is_of_a_kernel(self) -> bool {
        matches!(
            self,
            Self::ECC_UNCORRECTABLE
                | Self::CONTAINED
                | Self::ILLEGAL_ADDRESS
                | Self::LAUNCH_TIMEOUT
                | Self::ASSERT
                | Self::HARDWARE_STACK_ERROR
                | Self::ILLEGAL_INSTRUCTION
                | Self::MISALIGNED_ADDRESS
                | Self::INVALID_ADDRESS_SPACE
                | Self::INVALID_PC
                | Self::LAUNCH_FAILED
                | Self::TENSOR_MEMORY_LEAK
                | Self::UNKNOWN
        )
    }

    /// Whether the driver means the code that it was to load.
    pub fn is_of_the_code(self) -> bool {
        matches!(self, Self::INVALID_IMAGE | Self::NO_BINARY_FOR_GPU | Self::UNSUPPORTED_PTX_VERSION)
    }
}

/// A call of the driver that did not succeed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct DriverError(pub Status);
