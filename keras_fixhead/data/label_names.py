"""Names of the classes of the data sets whose names never change, and groups of classes that look alike."""

CIFAR10 = ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck")
"""The classes of cifar10."""

STL10 = ("airplane", "bird", "car", "cat", "deer", "dog", "horse", "monkey", "ship", "truck")
"""The classes of stl10."""

CIFAR100_GROUPS: dict[str, tuple[str, ...]] = {
    "aquatic_mammals": ("beaver", "dolphin", "otter", "seal", "whale"),
    "fish": ("aquarium_fish", "flatfish", "ray", "shark", "trout"),
    "flowers": ("orchid", "poppy", "rose", "sunflower", "tulip"),
    "food_containers": ("bottle", "bowl", "can", "cup", "plate"),
    "fruit_and_vegetables": ("apple", "mushroom", "orange", "pear", "sweet_pepper"),
    "household_electrical_devices": ("clock", "keyboard", "lamp", "telephone", "television"),
    "household_furniture": ("bed", "chair", "couch", "table", "wardrobe"),
    "insects": ("bee", "beetle", "butterfly", "caterpillar", "cockroach"),
    "large_carnivores": ("bear", "leopard", "lion", "tiger", "wolf"),
    "large_man-made_outdoor_things": ("bridge", "castle", "house", "road", "skyscraper"),
    "large_natural_outdoor_scenes": ("cloud", "forest", "mountain", "plain", "sea"),
    "large_omnivores_and_herbivores": ("camel", "cattle", "chimpanzee", "elephant", "kangaroo"),
    "medium_mammals": ("fox", "porcupine", "possum", "raccoon", "skunk"),
    "non-insect_invertebrates": ("crab", "lobster", "snail", "spider", "worm"),
    "people": ("baby", "boy", "girl", "man", "woman"),
    "reptiles": ("crocodile", "dinosaur", "lizard", "snake", "turtle"),
    "small_mammals": ("hamster", "mouse", "rabbit", "shrew", "squirrel"),
    "trees": ("maple_tree", "oak_tree", "palm_tree", "pine_tree", "willow_tree"),
    "vehicles_1": ("bicycle", "bus", "motorcycle", "pickup_truck", "train"),
    "vehicles_2": ("lawn_mower", "rocket", "streetcar", "tank", "tractor"),
}
"""The 20 groups of CIFAR-100 (its coarse labels), each of five classes (its fine labels)."""

CIFAR100 = tuple(sorted(name for names in CIFAR100_GROUPS.values() for name in names))
"""The classes of cifar100, in the order of their labels."""

FASHION_MNIST = ("T-shirt/top", "Trouser", "Pullover", "Dress", "Coat", "Sandal", "Shirt", "Sneaker", "Bag",
                 "Ankle boot")
"""The classes of fashion_mnist."""

CIFAR10_LOOK_ALIKES: dict[str, tuple[str, ...]] = {
    "vehicles": ("airplane", "automobile", "ship", "truck"),
    "animals": ("bird", "cat", "deer", "dog", "frog", "horse"),
}
"""The vehicles and the animals of cifar10, as the paper distinguishes them by eye."""

STL10_LOOK_ALIKES: dict[str, tuple[str, ...]] = {
    "vehicles": ("airplane", "car", "ship", "truck"),
    "animals": ("bird", "cat", "deer", "dog", "horse", "monkey"),
}
"""The same of stl10."""

FASHION_MNIST_LOOK_ALIKES: dict[str, tuple[str, ...]] = {
    "tops": ("T-shirt/top", "Pullover", "Coat", "Shirt"),
    "shoes": ("Sandal", "Sneaker", "Ankle boot"),
}
"""Classes of fashion_mnist with nearly the same outline."""

TINY_IMAGENET_LOOK_ALIKES: dict[str, tuple[str, ...]] = {
    "amphibians": ("European_fire_salamander", "bullfrog", "tailed_frog"),
    "arachnids": ("scorpion", "black_widow", "tarantula"),
    "balls": ("basketball", "rugby_ball", "volleyball"),
    "birds": ("goose", "black_stork", "king_penguin", "albatross"),
    "bottles_and_jugs": ("beer_bottle", "pill_bottle", "pop_bottle", "water_jug"),
    "bridges": ("steel_arch_bridge", "suspension_bridge", "viaduct"),
    "cats": ("tabby", "Persian_cat", "Egyptian_cat", "cougar", "lion"),
    "clothing": ("academic_gown", "apron", "bikini", "cardigan", "fur_coat", "kimono", "military_uniform", "miniskirt",
                 "poncho", "swimming_trunks", "vestment"),
    "crustaceans": ("American_lobster", "spiny_lobster"),
    "dishes_of_food": ("guacamole", "mashed_potato", "meat_loaf", "pizza", "potpie"),
    "dogs": ("Chihuahua", "Yorkshire_terrier", "golden_retriever", "Labrador_retriever", "German_shepherd",
             "standard_poodle"),
    "frozen_desserts": ("ice_cream", "ice_lolly"),
    "fruit": ("orange", "lemon", "banana", "pomegranate"),
    "furniture": ("chest", "desk", "dining_table", "rocking_chair"),
    "geological_formations": ("alp", "cliff", "coral_reef", "lakeside", "seashore"),
    "insects": ("ladybug", "fly", "bee", "grasshopper", "walking_stick", "cockroach", "mantis", "dragonfly", "monarch",
                "sulphur_butterfly"),
    "molluscs": ("snail", "slug", "sea_slug"),
    "motor_vehicles": ("beach_wagon", "convertible", "limousine", "sports_car", "moving_van", "police_van",
                       "school_bus", "trolleybus", "go-kart", "tractor"),
    "musical_instruments": ("brass", "oboe", "organ"),
    "pans": ("frying_pan", "wok"),
    "primates": ("orangutan", "chimpanzee", "baboon"),
    "railway_cars": ("bullet_train", "freight_car"),
    "reptiles": ("American_alligator", "boa_constrictor"),
    "shops": ("barbershop", "butcher_shop", "confectionery"),
    "towers_and_monuments": ("beacon", "obelisk", "water_tower", "triumphal_arch"),
    "ungulates": ("hog", "ox", "bison", "bighorn", "gazelle", "Arabian_camel"),
    "vegetables": ("cauliflower", "bell_pepper", "mushroom"),
}
"""Classes of tiny_imagenet with a near common parent in WordNet; classes without such a relative are in no group."""
