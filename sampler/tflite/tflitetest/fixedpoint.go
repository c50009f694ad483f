package tflitetest

import "math"

// multiplier is a positive real number in the kernels' form: factor / 2^31 * 2^exponent, with a factor of 31 bits.
type multiplier struct {
	factor   int32
	exponent int
}

func newMultiplier(real float64) multiplier {
	fraction, exponent := math.Frexp(real)
	factor := int64(math.Round(fraction * (1 << 31)))
	if factor == 1<<31 {
		factor, exponent = factor/2, exponent+1
	}
	if exponent < -31 {
		return multiplier{}
	}
	return multiplier{int32(factor), exponent}
}

// times rounds twice: the product to 31 bits, and the result to a whole number.
func (m multiplier) times(x int32) int32 {
	product := highMul(int64(x<<max(m.exponent, 0)), int64(m.factor), 31)
	return int32(divideByPowerOfTwo(product, max(-m.exponent, 0)))
}

// highMul is a * b / 2^bits, rounded to nearest, ties up.
func highMul(a, b int64, bits uint) int64 {
	half := int64(1) << (bits - 1)
	product := a * b
	if product < 0 {
		half = 1 - half
	}
	return min((product+half)/(1<<bits), 1<<bits-1)
}

// divideByPowerOfTwo rounds to nearest, ties away from zero.
func divideByPowerOfTwo(x int64, exponent int) int64 {
	if exponent == 0 {
		return x
	}
	half := int64(1) << (exponent - 1)
	if x < 0 {
		return -((-x + half) >> exponent)
	}
	return (x + half) >> exponent
}

// int16Multiplier is a multiplier whose factor has 15 bits.
func int16Multiplier(real float32) multiplier {
	m := newMultiplier(float64(real))
	m.factor = int32(min((int64(m.factor)+1<<15)>>16, math.MaxInt16))
	return m
}

func saturate16(x int64) int64 { return min(max(x, math.MinInt16), math.MaxInt16) }

// integerHardSwish is x * relu6(x + 3) / 6 in 16 bits. The input, shifted left as far as possible, is scaled twice:
// to the output's scale, and with saturation to where 3 is 2^15, which becomes the factor between 0 and 1.
func integerHardSwish(out, x *quantized) {
	fine := float32(1.0/128) * x.scales[0]
	toOutput := int16Multiplier(fine / out.scales[0])
	toThree := int16Multiplier(fine / (float32(3.0) / 32768))
	for i, q := range x.data {
		in := int64(q-x.zero) << 7
		value := highMul(in, int64(toOutput.factor), 15)
		factor := (hardFactor(in, toThree) + 1<<15) >> 1
		product := factor * value / (1 << 15) // towards zero
		y := divideByPowerOfTwo(product, -toOutput.exponent) + int64(out.zero)
		out.data[i] = int32(min(max(y, int64(out.low)), int64(out.high)))
	}
}

// hardFactor scales with saturation; the last bit of a left shift comes after the product.
func hardFactor(in int64, m multiplier) int64 {
	if m.exponent > 0 {
		in = saturate16(in << (m.exponent - 1))
	}
	v := highMul(in, int64(m.factor), 15)
	if m.exponent > 0 {
		return saturate16(v << 1)
	}
	return divideByPowerOfTwo(v, -m.exponent)
}
