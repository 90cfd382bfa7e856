"""jax.test_util.check_grads in float32 on the cases of torch_check.py, whose expressions a few names translate."""
import json, math, sys
from types import SimpleNamespace
import jax, jax.numpy as jnp, jax.test_util
from jax import lax


class T:
    """A PyTorch tensor, as far as the expressions use one."""

    def __init__(self, a):
        self.a = a

    def __getattr__(self, name):
        named = dict(abs=jnp.abs, sigmoid=jax.nn.sigmoid, flip=jnp.flip, roll=jnp.roll, clamp=jnp.clip, view=lax.bitcast_convert_type)
        f = named.get(name) or getattr(jnp, name)
        return lambda *given: T(f(self.a, *given))


def operator(name):
    return lambda self, *other: T(getattr(jnp.asarray(self.a), name)(*(of(o) for o in other)))


for name in 'add radd sub rsub mul rmul truediv rtruediv neg and mod eq lt ge'.split():
    setattr(T, f'__{name}__', operator(f'__{name}__'))


def of(value):
    return value.a if isinstance(value, T) else value


def lifted(f):
    return lambda *given, **named: T(f(*(of(x) for x in given), **named))


def conv2d(x, w, padding=0):
    numbers = ('NCHW', 'OIHW', 'NCHW')
    return lax.conv_general_dilated(x, w, (1, 1), [(padding, padding)] * 2, dimension_numbers=numbers, precision='highest')


def window(f, start):
    return lambda x, size, stride: lax.reduce_window(x, start, f, (1, 1, size, size), (1, 1, stride, stride), 'VALID')


def local_response_norm(x, size, alpha, beta, bias):
    around = jnp.pad(x * x, ((0, 0), (size // 2, (size - 1) // 2), (0, 0), (0, 0)))
    mean = sum(around[:, i : i + x.shape[1]] for i in range(size)) / size
    return x / (bias + alpha * mean) ** beta


def linear(x, w, b=0.0):
    return jnp.matmul(x, w.T, precision='highest') + b


average = window(lax.add, 0.0)
F = SimpleNamespace(
    relu=lifted(jax.nn.relu), silu=lifted(jax.nn.silu), leaky_relu=lifted(jax.nn.leaky_relu),
    softmax=lifted(jax.nn.softmax), log_softmax=lifted(jax.nn.log_softmax), linear=lifted(linear), conv2d=lifted(conv2d),
    max_pool2d=lifted(window(lax.max, -jnp.inf)), avg_pool2d=lifted(lambda x, n, s: average(x, n, s) / (n * n)),
    local_response_norm=lifted(local_response_norm),
)
torch = SimpleNamespace(where=lifted(jnp.where), int32=jnp.int32, float32=jnp.float32)


def planted(backward):
    @jax.custom_vjp
    def plant(x):
        return x

    def back(_, dy):
        g = dy.reshape(-1)
        names = dict(torch=torch, math=math, g=T(g), i=T(jnp.arange(g.size)), count=g.size, columns=dy.shape[-1])
        return (of(eval(backward, names)).astype(jnp.float32).reshape(dy.shape),)

    plant.defvjp(lambda x: (x, None), back)
    return lifted(plant)


def wrong(forward, backward):
    @jax.custom_vjp
    def function(x):
        return of(eval(forward, dict(F=F, t={'x': T(x)})))

    function.defvjp(lambda x: (function(x), x), lambda x, g: (of(eval(backward, dict(torch=torch, v=T(x), g=T(g)))),))
    return function


for line in sys.stdin:
    case = json.loads(line)
    names = list(case['inputs'])
    given = [jnp.array(case['inputs'][n]['values'], dtype=jnp.float32).reshape(case['inputs'][n]['shape']) for n in names]
    if case.get('derivative'):
        function = wrong(case['torch'], case['derivative'])
    else:
        scope = dict(F=F, torch=torch, plant=planted(case['plant']) if case.get('plant') else None)
        function = lambda *x: of(eval(case['torch'], {**scope, 't': {n: T(v) for n, v in zip(names, x)}}))
    try:
        jax.test_util.check_grads(function, given, order=1, modes=['rev'])
        print('[true]', flush=True)
    except AssertionError:
        print('[false]', flush=True)
