"""The versions and SHA-256 of everything that the set-up downloads."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Package:
    """A Debian 12 package.

    Attributes:
        name: Its name.
        version: The version with which the documented figures were taken.
        sha256: Of that version's file.
    """

    name: str
    version: str
    sha256: str


QEMU_VERSION = "7.2"  # the only one that loads the plugin and shows the guest the files below -L

QEMU_PACKAGES = (
    Package(
        "qemu-user", "1:7.2+dfsg-7+deb12u18+b3", "02a7d6a2675a12dd7fdd474924295552470c0c933e0b543975887f493a84219f"
    ),
    Package("libcapstone4", "4.0.2-5", "41277f0388184f6e3b9fc02eda3184afbc999314b25b77ed75e8049428bdfe5e"),
    Package("liburing2", "2.3-3", "c23077e3640e6cb4b819c134b3f41d5cf21b3edac099654b1b4142c3069a39a3"),
    Package("libglib2.0-0", "2.74.6-2+deb12u9", "7ff85197685d89e150e342b29a59aab1beee400050ba7da73de81cd999ffee5a"),
    Package("libpcre2-8-0", "10.42-1+deb12u2", "d2f7edfcc7689b9e0761c2742cc824ac86a20768bc5e8057818dc6875291fe76"),
    Package("libnuma1", "2.0.16-1", "639e1ab6bd66ead40db8a22c332d7199679fa22db261cac34444eb8eb4c17dda"),
)
GUEST_PACKAGES = (
    Package("libc6-arm64-cross", "2.36-8cross1", "91936cbbee75771c360ed16513f6e734a25ca5517fe7c3e13dfd7835d7553186"),
    Package(
        "libgcc-s1-arm64-cross", "12.2.0-14cross1", "af1e686fc6a416228222e7bfb68317dd2fa2685236301ae29141fc6108a66cac"
    ),
    Package(
        "libstdc++6-arm64-cross", "12.2.0-14cross1", "9cba984b64d0cf11698978fc5e0fe93c7441d29b9f42f70f1c6c734cc9e2ea41"
    ),
)

# Of the libraries in them on which counts depend.
GUEST_SHA256 = {
    "libc.so.6": "be44d69ca10e191bb24ff46faa4905c56ec2fbc454bf84ed6f02da296f121bdd",
    "libm.so.6": "4c5316e839a4b175dc2b0b97f8b8e0217d98f7d564ada1e1467f98451f328441",
    "libstdc++.so.6": "f8253f7e1334b5c55ab50cc44d576e83dee7dd6fcb53bdc9ca63d74198a93640",
}

# Only for a rebuild of the runner that this package carries (tools/build_runner).
COMPILER_PACKAGES = (
    Package("binutils-aarch64-linux-gnu", "2.40-2", "3d6f64a7a4ed6d73719f8fa2e85fd896f58ff7f211a6683942ba93de690aaa66"),
    Package("libbinutils", "2.40-2", "fcf55b99e5f8a78f3c8ce9b6957f1024f394cf20c196b100d308a57e43547710"),
    Package(
        "gcc-12-aarch64-linux-gnu",
        "12.2.0-14cross1",
        "43747bbcd46a4062e66e855090b8ed9c2e06a93ae5a69fb304beebbc8c36d11f",
    ),
    Package(
        "cpp-12-aarch64-linux-gnu",
        "12.2.0-14cross1",
        "5921df4ad56e34e6257a1caf862474845aab6548ba7ae7852e8cdd7cb622394e",
    ),
    Package(
        "libgcc-12-dev-arm64-cross",
        "12.2.0-14cross1",
        "ff1324e262bae2c3aad685c2ed52bd531ab0a2a337a0fe35c3b720947d55b2ba",
    ),
    Package(
        "libc6-dev-arm64-cross", "2.36-8cross1", "5e4cf6abf0e89e89c4b3006bb8b7dc47aa831df25d94df9134929b8b968cacb4"
    ),
    Package(
        "linux-libc-dev-arm64-cross",
        "6.1.4-1cross1",
        "66457f015d16b7d372db6591cff38db0da928362ff2ea1fa75491e28f6904d81",
    ),
    Package("libisl23", "0.25-1.1", "ebff0b2f8b220c74224197523019366e97ee4770d464bebc48e4865114e4da0e"),
    Package("libmpc3", "1.3.1-1", "d7f79544790e44f9b0c8cb9034a18c58d37f8702a15f32539050718679e52f80"),
    Package("libmpfr6", "4.2.0-1", "37b7a2b4e78890b6a074777f27b96c84f58e81558ba08410c2b6c0ca4a4ad77b"),
    Package("libgmp10", "2:6.2.1+dfsg1-1.1", "187aedef2ed763f425c1e523753b9719677633c7eede660401739e9c893482bd"),
    Package("libjansson4", "2.14-2", "3fc9742f9f1a37bcb9931df6074b4d1483419ef832ad5349f47323e75fc27864"),
)

LITERT_VERSION = "2.3.0"
LITERT_SHA256 = "853fc608f96da87bd5f3458465dfb9abbf18d5ae6b94eceacead407146f175ae"
LITERT_PYTHON = "3.11"
LITERT_PLATFORM = "manylinux_2_27_aarch64"
LITERT_MEMBER = "ai_edge_litert/libLiteRt.so"
