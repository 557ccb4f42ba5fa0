// Functions of one or two numbers.
#pragma once
#include "params.cuh"

struct Neg { DEVICE float of(float x, const Elementwise&) { return -x; } };
struct Exp { DEVICE float of(float x, const Elementwise&) { return expf(x); } };
struct Ln { DEVICE float of(float x, const Elementwise&) { return logf(x); } };
struct Sqrt { DEVICE float of(float x, const Elementwise&) { return sqrtf(x); } };
struct Recip { DEVICE float of(float x, const Elementwise&) { return 1.0f / x; } };
struct Square { DEVICE float of(float x, const Elementwise&) { return x * x; } };
struct Tanh { DEVICE float of(float x, const Elementwise&) { return tanhf(x); } };
struct Sigmoid { DEVICE float of(float x, const Elementwise&) { return 1.0f / (1.0f + expf(-x)); } };
struct LeakyRelu { DEVICE float of(float x, const Elementwise& p) { return x > 0.0f ? x : p.a * x; } };
struct LeakyMask { DEVICE float of(float x, const Elementwise& p) { return x > 0.0f ? 1.0f : p.a; } };
struct Scale { DEVICE float of(float x, const Elementwise& p) { return x * p.a; } };
struct Shift { DEVICE float of(float x, const Elementwise& p) { return x + p.a; } };
struct Pow { DEVICE float of(float x, const Elementwise& p) { return powf(x, p.a); } };

struct Add { DEVICE float of(float a, float b, float) { return a + b; } };
struct Sub { DEVICE float of(float a, float b, float) { return a - b; } };
struct Mul { DEVICE float of(float a, float b, float) { return a * b; } };
struct Div { DEVICE float of(float a, float b, float) { return a / b; } };
struct Gate { DEVICE float of(float a, float b, float slope) { return a > 0.0f ? b : slope * b; } };
