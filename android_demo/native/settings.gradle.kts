pluginManagement {
    repositories {
        google()
        mavenCentral()
        gradlePluginPortal()
    }
}

dependencyResolutionManagement {
    repositoriesMode = RepositoriesMode.FAIL_ON_PROJECT_REPOS
    repositories {
        google()
        mavenCentral()
    }
}

rootProject.name = "tfcompress-demo"

include(":app", ":core", ":decoder")
project(":core").projectDir = file("../core")
project(":decoder").projectDir = file("../decoder")
