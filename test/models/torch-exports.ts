/**
 * A script that writes networks as torch itself exports them, with its own outputs, to the folder in its first argument:
 * torchvision's and timm's layouts at small width, `NAME-OPSET-FOLDED.onnx`, `NAME-x.pb` and `NAME-y.pb`.
 */
export const torchExports = `
import sys, warnings
import numpy as np, onnx, torch, torch.nn as nn
from onnx import numpy_helper
warnings.simplefilter('ignore')
folder, seed = sys.argv[1], 3
torch.manual_seed(seed)

class TorchvisionAlexNet(nn.Module):
    def __init__(self):
        super().__init__()
        relu = lambda: nn.ReLU(inplace=True)
        self.features = nn.Sequential(
            nn.Conv2d(3, 8, 11, stride=4, padding=2), relu(), nn.MaxPool2d(3, 2),
            nn.Conv2d(8, 10, 5, padding=2), relu(), nn.MaxPool2d(3, 2),
            nn.Conv2d(10, 6, 3, padding=1), relu(), nn.Conv2d(6, 5, 3, padding=1), relu(),
            nn.Conv2d(5, 4, 3, padding=1), relu(), nn.MaxPool2d(3, 2))
        self.avgpool = nn.AdaptiveAvgPool2d((2, 2))
        self.classifier = nn.Sequential(nn.Dropout(), nn.Linear(16, 9), relu(), nn.Dropout(), nn.Linear(9, 7), relu(), nn.Linear(7, 5))
    def flat(self, x): return torch.flatten(x, 1)
    def forward(self, x): return self.classifier(self.flat(self.avgpool(self.features(x))))

class OldFlatten(TorchvisionAlexNet):
    def flat(self, x): return x.view(x.size(0), 2 * 2 * 4)

class OldFlattenRest(TorchvisionAlexNet):
    def flat(self, x): return x.reshape(x.shape[0], -1)

def vgg_features():
    layers, c = [], 3
    for block in ([4, 4], [5, 5], [4, 4, 4], [3, 3, 3], [3, 3, 3]):
        for out in block:
            layers += [nn.Conv2d(c, out, 3, padding=1), nn.ReLU()]
            c = out
        layers.append(nn.MaxPool2d(2, 2))
    return nn.Sequential(*layers)

class TorchvisionVgg(nn.Module):
    def __init__(self):
        super().__init__()
        self.features, self.avgpool = vgg_features(), nn.AdaptiveAvgPool2d((2, 2))
        self.classifier = nn.Sequential(nn.Linear(12, 8), nn.ReLU(), nn.Dropout(), nn.Linear(8, 6), nn.ReLU(), nn.Dropout(), nn.Linear(6, 5))
    def forward(self, x): return self.classifier(torch.flatten(self.avgpool(self.features(x)), 1))

class TimmVgg(nn.Module):
    def __init__(self):
        super().__init__()
        self.features = vgg_features()
        self.fc1, self.fc2 = nn.Conv2d(3, 8, 2), nn.Conv2d(8, 6, 1)
        self.pool, self.fc = nn.AdaptiveAvgPool2d(1), nn.Linear(6, 5)
    def forward(self, x):
        x = torch.relu(self.fc2(torch.relu(self.fc1(self.features(x)))))
        return self.fc(self.pool(x).flatten(1))

class Mixed(nn.Module):
    """Everything else: constants at the input, residual sum, dilation, groups, ceil mode, padding, softmax."""
    def __init__(self):
        super().__init__()
        self.register_buffer('mean', torch.tensor([.3, -.2, .1]).view(1, 3, 1, 1))
        self.a, self.b = nn.Conv2d(3, 6, 3, padding=(2, 1), dilation=(2, 1), stride=(1, 2), bias=False), nn.Conv2d(6, 6, 3, padding=1, groups=3)
        self.matrix = nn.Parameter(torch.randn(6, 4))
        self.offset = nn.Parameter(torch.randn(4))
        self.out = nn.Linear(4, 3, bias=False)
    def forward(self, x):
        x = (x - self.mean) / 0.25
        x = torch.relu(self.a(x * 2 + 1))
        x = torch.max_pool2d(x, 3, 2, 1, ceil_mode=True)
        x = self.b(x) + x
        x = torch.nn.functional.adaptive_avg_pool2d(x, 1).flatten(1)
        return torch.softmax(self.out(x @ self.matrix + self.offset), 1)

class Residual(nn.Module):
    """Normalisation that cannot be folded into a convolution before it, ReLU6, a clip of one side, sums, channels joined."""
    def __init__(self):
        super().__init__()
        self.stem, self.a, self.b = nn.Conv2d(3, 6, 3, stride=2), nn.Conv2d(6, 6, 3, padding=1, bias=False), nn.Conv2d(6, 6, 1)
        self.norm1, self.norm2, self.out = nn.BatchNorm2d(6), nn.BatchNorm2d(6, eps=1e-3), nn.Linear(18, 5)
        for norm in (self.norm1, self.norm2):
            for values in (norm.weight, norm.bias, norm.running_mean): nn.init.normal_(values)
            nn.init.uniform_(norm.running_var, .1, 2)
    def forward(self, x):
        x = torch.max_pool2d(self.stem(x), 2)
        y = nn.functional.relu6(self.norm1(x) * 4)
        y = torch.relu(self.norm2(self.a(y) + x))
        x = torch.clamp(self.b(y) + y, min=-.1) + x
        x = torch.cat([x, y * 2, x], 1)
        return self.out(torch.nn.functional.adaptive_avg_pool2d(x, 1).flatten(1))

cases = [('residual', Residual(), 21), ('alexnet', TorchvisionAlexNet(), 95), ('alexnet-view', OldFlatten(), 95), ('alexnet-reshape', OldFlattenRest(), 95),
         ('vgg16', TorchvisionVgg(), 64), ('vgg16-timm', TimmVgg(), 64), ('mixed', Mixed(), 21)]
for name, module, size in cases:
    module.eval()
    x = torch.randn(2, 3, size, size + (0 if size > 30 else 4))
    y = module(x).detach().numpy()
    for tensor, what in ((x.numpy(), 'x'), (y, 'y')):
        with open(f'{folder}/{name}-{what}.pb', 'wb') as file:
            file.write(numpy_helper.from_array(tensor).SerializeToString())
    for opset in (9, 13):
        for folded in (0, 1):
            torch.onnx.export(module, x, f'{folder}/{name}-{opset}-{folded}.onnx', opset_version=opset, input_names=['x'],
                              do_constant_folding=bool(folded), keep_initializers_as_inputs=folded == 1 and opset == 9,
                              dynamic_axes={'x': {0: 'n'}} if folded else None)
`;
