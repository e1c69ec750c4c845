"""The operators that a stranger's TorchScript or exported program may use: arithmetic on tensors and nothing else.

A list of what is allowed and not of what is forbidden: torch has operators that read and write files (aten::save,
aten::from_file, image::write_file), and others come with every release.
"""

from __future__ import annotations

ATEN = frozenset(
    {
        "Bool", "Float", "FloatImplicit", "Int", "IntImplicit", "NumToTensor", "ScalarImplicit", "__getitem__",
        "__is__", "__isnot__", "__not__", "_adaptive_avg_pool2d", "_convolution", "_log_softmax",
        "_native_batch_norm_legit_no_training", "_softmax", "_to_copy", "_unsafe_view", "abs",
        "adaptive_avg_pool2d", "adaptive_max_pool2d", "add", "add_", "addmm", "alias", "amax", "amin", "append",
        "avg_pool2d", "baddbmm", "batch_norm", "bmm", "broadcast_to", "cat", "ceil", "celu", "channel_shuffle",
        "chunk", "clamp", "clamp_", "clamp_max", "clamp_min", "clip", "clone", "concat", "constant_pad_nd",
        "contiguous", "conv1d", "conv2d", "convolution", "cudnn_batch_norm", "detach", "dim", "div", "div_",
        "dropout", "dropout_", "einsum", "elu", "elu_", "eq", "erf", "exp", "expand", "expand_as",
        "feature_dropout", "flatten", "flip", "floor", "floor_divide", "floordiv", "format", "gather", "ge",
        "gelu", "group_norm", "gt", "hardsigmoid", "hardsigmoid_", "hardswish", "hardswish_", "hardtanh",
        "hardtanh_", "index_select", "instance_norm", "layer_norm", "le", "leaky_relu", "leaky_relu_", "len",
        "lift_fresh", "lift_fresh_copy", "linalg_vector_norm", "linear", "list", "log", "log1p", "log_softmax",
        "logical_and", "logical_not", "logical_or", "lt", "matmul", "max", "max_pool2d",
        "max_pool2d_with_indices", "maximum", "mean", "min", "minimum", "mish", "mish_", "mm", "mul", "mul_",
        "narrow", "native_batch_norm", "native_group_norm", "native_layer_norm", "ne", "neg", "norm", "numel",
        "pad", "permute", "pixel_shuffle", "pow", "prelu", "reciprocal", "reflection_pad2d", "relu", "relu6",
        "relu6_", "relu_", "remainder", "replication_pad2d", "reshape", "roll", "round", "rsqrt", "rsub",
        "scaled_dot_product_attention", "select", "selu", "sigmoid", "sigmoid_", "sign", "silu", "silu_",
        "size", "slice", "softmax", "softplus", "split", "split_with_sizes", "sqrt", "square", "squeeze",
        "stack", "std", "sub", "sub_", "sum", "sym_size", "t", "tanh", "tanh_", "to", "transpose", "type_as",
        "unbind", "unsqueeze", "upsample_bilinear2d", "upsample_nearest2d", "var", "var_mean", "view", "warn",
        "where",
    }
)  # fmt: skip

PRIM = frozenset(
    {
        "CallFunction", "CallMethod", "Constant", "DictConstruct", "GetAttr", "If", "ListConstruct",
        "ListUnpack", "NoneConstant", "NumToTensor", "Param", "RaiseException", "Return", "SetAttr",
        "TupleConstruct", "TupleIndex", "TupleUnpack", "Uninitialized", "annotate", "device", "dtype",
        "is_cuda", "max", "min", "shape", "unchecked_cast",
    }
)  # fmt: skip


def refused(kind: str) -> bool:
    """Whether an operator such as "aten::conv2d" is not on the list."""
    space, _, name = kind.partition("::")
    return not ((space == "aten" and name in ATEN) or (space == "prim" and name in PRIM))
