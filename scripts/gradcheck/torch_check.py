"""torch.autograd.gradcheck in float32 on the cases of a file, a JSON object a line; prints a list of verdicts a line."""
import json, math, sys, warnings
import torch
import torch.nn.functional as F

warnings.filterwarnings('ignore')
torch.set_num_threads(1)


def planted(backward):
    class Plant(torch.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            ctx.shape = x.shape
            return x.clone()

        @staticmethod
        def backward(ctx, dy):
            g = dy.reshape(-1)
            names = dict(torch=torch, math=math, g=g, i=torch.arange(g.numel()), count=g.numel(), columns=ctx.shape[-1])
            return eval(backward, names).to(torch.float32).reshape(ctx.shape)

    return Plant.apply


def wrong(forward, backward):
    class Wrong(torch.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            ctx.save_for_backward(x)
            return eval(forward, dict(F=F, t={'x': x}))

        @staticmethod
        def backward(ctx, dy):
            return eval(backward, dict(torch=torch, v=ctx.saved_tensors[0], g=dy))

    return Wrong.apply


settings = [{}, dict(eps=1e-2, atol=1e-2, rtol=1e-2)]
for line in sys.stdin:
    case = json.loads(line)
    names = list(case['inputs'])
    tensors = [torch.tensor(case['inputs'][n]['values'], dtype=torch.float32).reshape(case['inputs'][n]['shape']).requires_grad_() for n in names]
    if case.get('derivative'):
        function = wrong(case['torch'], case['derivative'])
    else:
        scope = dict(F=F, torch=torch, plant=planted(case['plant']) if case.get('plant') else None)
        function = lambda *given: eval(case['torch'], {**scope, 't': dict(zip(names, given))})
    print(json.dumps([torch.autograd.gradcheck(function, tensors, raise_exception=False, **s) for s in settings]), flush=True)
