/*
 * What a Vulkan driver makes of a compute shader: `isa FILE.spv ENTRY` prints the driver's statistics, a name and a value
 * a line, then the machine code. Nothing runs, so the device need not be there: Mesa's radv compiles for the GPU that
 * RADV_FORCE_FAMILY names.
 *
 * Bindings are as Dawn lays them out: group 0, a uniform buffer at 0, storage buffers behind it.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <vulkan/vulkan.h>

enum { BINDINGS = 12, MOST = 64 };

static void check(VkResult result, const char *what) {
  if (result == VK_SUCCESS) return;
  fprintf(stderr, "%s: VkResult %d\n", what, result);
  exit(1);
}

static uint32_t *read_file(const char *path, size_t *bytes) {
  FILE *file = fopen(path, "rb");
  if (file == NULL) {
    perror(path);
    exit(2);
  }
  fseek(file, 0, SEEK_END);
  *bytes = (size_t)ftell(file);
  rewind(file);
  uint32_t *code = malloc(*bytes);
  if (fread(code, 1, *bytes, file) != *bytes) exit(2);
  fclose(file);
  return code;
}

/* The first device, with every feature that it has: a shader uses some of them. */
static VkDevice open_device(void) {
  VkApplicationInfo app = {VK_STRUCTURE_TYPE_APPLICATION_INFO, .apiVersion = VK_API_VERSION_1_3};
  VkInstanceCreateInfo instance_info = {VK_STRUCTURE_TYPE_INSTANCE_CREATE_INFO, .pApplicationInfo = &app};
  VkInstance instance;
  check(vkCreateInstance(&instance_info, NULL, &instance), "vkCreateInstance");
  uint32_t count = 1;
  VkPhysicalDevice physical;
  vkEnumeratePhysicalDevices(instance, &count, &physical);
  if (count == 0) {
    fprintf(stderr, "no device\n");
    exit(1);
  }
  VkPhysicalDeviceProperties properties;
  vkGetPhysicalDeviceProperties(physical, &properties);
  printf("Device\t%s\n", properties.deviceName);
  VkPhysicalDeviceVulkan13Features f13 = {VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_VULKAN_1_3_FEATURES};
  VkPhysicalDeviceVulkan12Features f12 = {VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_VULKAN_1_2_FEATURES, .pNext = &f13};
  VkPhysicalDeviceVulkan11Features f11 = {VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_VULKAN_1_1_FEATURES, .pNext = &f12};
  VkPhysicalDevicePipelineExecutablePropertiesFeaturesKHR executables = {
      VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_PIPELINE_EXECUTABLE_PROPERTIES_FEATURES_KHR, .pNext = &f11};
  VkPhysicalDeviceFeatures2 features = {VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_FEATURES_2, .pNext = &executables};
  vkGetPhysicalDeviceFeatures2(physical, &features);
  float priority = 1;
  VkDeviceQueueCreateInfo queue = {
      VK_STRUCTURE_TYPE_DEVICE_QUEUE_CREATE_INFO, .queueCount = 1, .pQueuePriorities = &priority};
  const char *extensions[] = {VK_KHR_PIPELINE_EXECUTABLE_PROPERTIES_EXTENSION_NAME};
  VkDeviceCreateInfo info = {VK_STRUCTURE_TYPE_DEVICE_CREATE_INFO, .pNext = &features, .queueCreateInfoCount = 1,
                             .pQueueCreateInfos = &queue, .enabledExtensionCount = 1,
                             .ppEnabledExtensionNames = extensions};
  VkDevice device;
  check(vkCreateDevice(physical, &info, NULL, &device), "vkCreateDevice");
  return device;
}

static VkPipeline compile(VkDevice device, const uint32_t *code, size_t bytes, const char *entry) {
  VkDescriptorSetLayoutBinding bindings[BINDINGS];
  for (uint32_t i = 0; i < BINDINGS; i++) {
    VkDescriptorType type = i == 0 ? VK_DESCRIPTOR_TYPE_UNIFORM_BUFFER : VK_DESCRIPTOR_TYPE_STORAGE_BUFFER;
    bindings[i] = (VkDescriptorSetLayoutBinding){i, type, 1, VK_SHADER_STAGE_COMPUTE_BIT, NULL};
  }
  VkDescriptorSetLayoutCreateInfo set_info = {
      VK_STRUCTURE_TYPE_DESCRIPTOR_SET_LAYOUT_CREATE_INFO, .bindingCount = BINDINGS, .pBindings = bindings};
  VkDescriptorSetLayout set;
  check(vkCreateDescriptorSetLayout(device, &set_info, NULL, &set), "vkCreateDescriptorSetLayout");
  VkPushConstantRange constants = {VK_SHADER_STAGE_COMPUTE_BIT, 0, 128};
  VkPipelineLayoutCreateInfo layout_info = {VK_STRUCTURE_TYPE_PIPELINE_LAYOUT_CREATE_INFO, .setLayoutCount = 1,
                                            .pSetLayouts = &set, .pushConstantRangeCount = 1,
                                            .pPushConstantRanges = &constants};
  VkPipelineLayout layout;
  check(vkCreatePipelineLayout(device, &layout_info, NULL, &layout), "vkCreatePipelineLayout");
  VkShaderModuleCreateInfo module_info = {
      VK_STRUCTURE_TYPE_SHADER_MODULE_CREATE_INFO, .codeSize = bytes, .pCode = code};
  VkShaderModule module;
  check(vkCreateShaderModule(device, &module_info, NULL, &module), "vkCreateShaderModule");
  VkComputePipelineCreateInfo info = {
      VK_STRUCTURE_TYPE_COMPUTE_PIPELINE_CREATE_INFO,
      .flags = VK_PIPELINE_CREATE_CAPTURE_STATISTICS_BIT_KHR | VK_PIPELINE_CREATE_CAPTURE_INTERNAL_REPRESENTATIONS_BIT_KHR,
      .stage = {VK_STRUCTURE_TYPE_PIPELINE_SHADER_STAGE_CREATE_INFO, .stage = VK_SHADER_STAGE_COMPUTE_BIT,
                .module = module, .pName = entry},
      .layout = layout};
  VkPipeline pipeline;
  check(vkCreateComputePipelines(device, VK_NULL_HANDLE, 1, &info, NULL, &pipeline), "vkCreateComputePipelines");
  return pipeline;
}

#define FUNCTION(name) PFN_##name name = (PFN_##name)vkGetDeviceProcAddr(device, #name)

static void print_statistics(VkDevice device, VkPipeline pipeline) {
  FUNCTION(vkGetPipelineExecutableStatisticsKHR);
  VkPipelineExecutableInfoKHR info = {VK_STRUCTURE_TYPE_PIPELINE_EXECUTABLE_INFO_KHR, NULL, pipeline, 0};
  VkPipelineExecutableStatisticKHR found[MOST];
  for (int i = 0; i < MOST; i++) {
    found[i] = (VkPipelineExecutableStatisticKHR){VK_STRUCTURE_TYPE_PIPELINE_EXECUTABLE_STATISTIC_KHR};
  }
  uint32_t count = MOST;
  vkGetPipelineExecutableStatisticsKHR(device, &info, &count, found);
  for (uint32_t i = 0; i < count; i++) printf("%s\t%llu\n", found[i].name, (unsigned long long)found[i].value.u64);
}

static void print_code(VkDevice device, VkPipeline pipeline) {
  FUNCTION(vkGetPipelineExecutableInternalRepresentationsKHR);
  VkPipelineExecutableInfoKHR info = {VK_STRUCTURE_TYPE_PIPELINE_EXECUTABLE_INFO_KHR, NULL, pipeline, 0};
  VkPipelineExecutableInternalRepresentationKHR found[8];
  for (int i = 0; i < 8; i++) {
    found[i] =
        (VkPipelineExecutableInternalRepresentationKHR){VK_STRUCTURE_TYPE_PIPELINE_EXECUTABLE_INTERNAL_REPRESENTATION_KHR};
  }
  uint32_t count = 8;
  vkGetPipelineExecutableInternalRepresentationsKHR(device, &info, &count, found);
  for (uint32_t i = 0; i < count; i++) found[i].pData = malloc(found[i].dataSize + 1);
  vkGetPipelineExecutableInternalRepresentationsKHR(device, &info, &count, found);
  for (uint32_t i = 0; i < count; i++) {
    if (strcmp(found[i].name, "Assembly") == 0) printf("---\n%s\n", (const char *)found[i].pData);
  }
}

int main(int argc, char **argv) {
  if (argc != 3) {
    fprintf(stderr, "isa FILE.spv ENTRY\n");
    return 2;
  }
  size_t bytes;
  const uint32_t *code = read_file(argv[1], &bytes);
  VkDevice device = open_device();
  VkPipeline pipeline = compile(device, code, bytes, argv[2]);
  print_statistics(device, pipeline);
  print_code(device, pipeline);
  return 0;
}
